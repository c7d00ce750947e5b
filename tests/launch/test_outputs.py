"""What runs wrote stays with their agent for some time."""

import os
import time
from pathlib import Path

from headrace.launch import outputs


def test_it_is_kept_for_its_owner_alone_and_forgotten_after_its_days(tmp_path: Path) -> None:
    kept = outputs.Outputs(tmp_path / "output")
    old = kept.keep("old-1", b"said")
    assert old is not None
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (b"said", 0o600)
    long_ago = time.time() - (outputs.DAYS * 24 + 1) * 3600
    os.utime(old, (long_ago, long_ago))
    new = kept.keep("new-1", b"more")
    assert new is not None
    assert list((tmp_path / "output").iterdir()) == [new]


def test_silence_leaves_no_file(tmp_path: Path) -> None:
    assert outputs.Outputs(tmp_path / "output").keep("one-1", b"") is None
    assert not (tmp_path / "output").exists()


def test_no_room_is_no_reason_for_a_run_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert outputs.Outputs(tmp_path / "file" / "output").keep("one-1", b"said") is None


def test_a_link_that_lies_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "one-1.log").symlink_to(tmp_path / "elsewhere")
    assert outputs.Outputs(tmp_path).keep("one-1", b"said") is None
    assert not (tmp_path / "elsewhere").exists()
