"""The spool: first in, first out, wherever the items are."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.engine.spool import Spool


def _spool(path: Path, memory: int = 100) -> Spool[str]:
    return Spool(path, str.encode, bytes.decode, memory=memory)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.none()), max_size=60))
def test_items_leave_in_the_order_they_came(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | None]
) -> None:
    """A text is put, None takes the oldest away."""
    spool, expected = _spool(tmp_path_factory.mktemp("spool") / "file"), list[str]()
    for step in steps:
        if step is not None:
            spool.put(step, len(step))
            expected.append(step)
        elif expected:
            assert spool.head() == expected.pop(0)
            spool.pop()
    assert len(spool) == len(expected)
    for item in expected:
        assert spool.head() == item
        spool.pop()
    assert spool.head() is None
    spool.clear()


def test_what_exceeds_the_memory_goes_to_a_private_file(tmp_path: Path) -> None:
    spool = _spool(tmp_path / "file", memory=10)
    for _ in range(100):
        spool.put("x" * 10, 10)
    assert (tmp_path / "file").stat().st_size > 900
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    spool.clear()
    assert not (tmp_path / "file").exists()


def test_a_file_that_cannot_grow_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to("/dev/full")
    spool = _spool(tmp_path / "file", memory=0)
    for number in range(5):
        spool.put(str(number), 1)
    found = []
    while (item := spool.head()) is not None:
        found.append(item)
        spool.pop()
    assert found == ["0", "1", "2", "3", "4"]
    spool.clear()
