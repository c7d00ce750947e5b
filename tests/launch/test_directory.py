"""A run's directory: who may take the handover, and who holds the run."""

from pathlib import Path

import pytest

from headrace import errors
from headrace.launch import directory


def test_a_handover_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / directory.HANDOVER).write_bytes(b"{}")
    with pytest.raises(errors.LaunchError, match="cannot be read"):
        directory.take(tmp_path)
    with pytest.raises(errors.LaunchError, match="nothing has been handed over"):
        directory.take(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_was_withdrawn_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / directory.HANDOVER).write_bytes(b"{}")
    assert directory.is_waiting(tmp_path)
    assert directory.withdraw(tmp_path)
    assert not directory.withdraw(tmp_path)
    with pytest.raises(errors.LaunchError):
        directory.take(tmp_path)


def test_the_first_supervisor_holds_the_run(tmp_path: Path) -> None:
    directory.hold(tmp_path, directory.Holder(pid=1, started=5.0))
    with pytest.raises(errors.LaunchError):
        directory.hold(tmp_path, directory.Holder(pid=2, started=6.0))
    assert directory.read_holder(tmp_path) == directory.Holder(pid=1, started=5.0)


def test_an_exit_record_comes_back(tmp_path: Path) -> None:
    assert directory.read_exit(tmp_path) is None
    record = directory.ExitRecord(exit_code=-9, reason="killed")
    directory.write_exit(tmp_path, record)
    assert directory.read_exit(tmp_path) == record
