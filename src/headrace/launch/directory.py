"""A run's own directory: what the agent hands over in it, and what the run's supervisor leaves there.

Everything in it is for the owner alone: the directory is 0700 and its files are 0600.
"""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from headrace import errors
from headrace.core import leases
from headrace.wire import runs

HANDOVER = "handover.json"
OUTPUT = "output.log"
SPOOL = "spool"
_HOLDER = "holder.json"
_EXIT = "exit.json"

T = TypeVar("T")


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's processes need to know. It holds the run's token, so that it is deleted when it has been read."""

    assignment: runs.Assignment
    server_url: str
    timing: leases.Timing = leases.Timing()


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the run process: its supervisor, by `identity.start_time` not to be mistaken for another."""

    pid: int
    started: float


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the run process ended; `exit_code` is negative for a signal.

    `reported`: its final report was acknowledged. `reporting`: it had begun to send one, which may still arrive.
    """

    exit_code: int
    reported: bool = False
    reporting: bool = False
    reason: str = ""


def files(handover: Handover) -> dict[str, bytes]:
    """What a workload's directory must contain for its run."""
    return {HANDOVER: msgspec.json.encode(handover)}


def take(directory: Path) -> Handover:
    """The handover, which is deleted. Only one caller gets it; raises errors.LaunchError for all others."""
    taken = directory / f".{HANDOVER}.{os.getpid()}"
    try:
        (directory / HANDOVER).rename(taken)
        content = taken.read_bytes()
        taken.unlink()
        return msgspec.json.decode(content, type=Handover)
    except OSError as error:
        raise errors.LaunchError(
            f"nothing has been handed over in {directory}: {error.strerror or error}"
        ) from None
    except msgspec.DecodeError as error:
        raise errors.LaunchError(f"what was handed over in {directory} cannot be read: {error}") from None


def withdraw(directory: Path) -> bool:
    """Takes the handover back: True when no run process has taken it, and so none ever will."""
    try:
        (directory / HANDOVER).unlink()
    except FileNotFoundError:
        return False
    return True


def is_waiting(directory: Path) -> bool:
    """Whether the handover has been written and not been taken."""
    return (directory / HANDOVER).exists()


def hold(directory: Path, holder: Holder) -> None:
    """Makes the supervisor the holder. Only the first one becomes it; raises errors.LaunchError for all others."""
    draft = directory / f".{_HOLDER}.{holder.pid}"
    try:
        _write(draft, msgspec.json.encode(holder))
        os.link(draft, directory / _HOLDER)
        draft.unlink()
    except OSError as error:
        raise errors.LaunchError(
            f"the run in {directory} cannot be taken: {error.strerror or error}"
        ) from None


def read_holder(directory: Path) -> Holder | None:
    return _read(directory / _HOLDER, Holder)


def write_exit(directory: Path, record: ExitRecord) -> None:
    _write(directory / _EXIT, msgspec.json.encode(record))


def read_exit(directory: Path) -> ExitRecord | None:
    return _read(directory / _EXIT, ExitRecord)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a reader never sees half a file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
