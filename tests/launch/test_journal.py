"""The journal: what was written is found again, whatever else lies there."""

from pathlib import Path
from uuid import UUID

import msgspec

from headrace import launch
from headrace.launch.journal import Entry, Journal

ENTRY = Entry(
    flow_run_id=UUID(int=1), fence=2, name="n", state=launch.LaunchState("local", "one-2", "/runs/one-2")
)


def test_entries_are_found_by_the_next_journal(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").write(ENTRY, first=True)
    changed = msgspec.structs.replace(ENTRY, state=msgspec.structs.replace(ENTRY.state, handle={"pid": 5}))
    journal = Journal(tmp_path / "journal")
    assert journal.entries() == [ENTRY]
    journal.write(changed, first=False)
    assert Journal(tmp_path / "journal").entries() == [changed]
    journal.remove(changed)
    journal.remove(changed)
    assert journal.entries() == []


def test_half_an_entry_is_cleared_away(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    (tmp_path / "journal" / "x.json").write_bytes(b'{"flow_run')
    assert journal.entries() == []
    assert not list((tmp_path / "journal").iterdir())
