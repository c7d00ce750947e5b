"""A run's own directory: what the agent hands over in it, and what the run's supervisor leaves there.

Everything in it is for the owner alone: the directory is 0700 and its files are 0600.
"""

import errno
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from headrace import errors, launch
from headrace.core import leases
from headrace.wire import runs

HANDOVER = "handover.json"
OUTPUT = "output.log"
SPOOL = "spool"
_HOLDER = "holder.json"
_EXIT = "exit.json"

#: So much of a run's output is kept.
OUTPUT_BYTES = 1024 * 1024

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
    `stopped`: the supervisor was told to stop, by a signal.
    """

    exit_code: int
    reported: bool = False
    reporting: bool = False
    stopped: bool = False
    reason: str = ""


def files(handover: Handover) -> dict[str, bytes]:
    """What a workload's directory must contain for its run."""
    return {HANDOVER: msgspec.json.encode(handover)}


def fill(directory: Path, content: Mapping[str, bytes]) -> None:
    """Makes the directory and the files, for their owner alone. Raises errors.LaunchError and leaves nothing then."""
    for name in content:
        if (directory / name).parent != directory or name in (".", ".."):
            raise errors.LaunchError(f"the file {name!r} would lie outside of {directory}")
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
        for name, part in content.items():
            handle = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(part)
    except OSError as error:
        if error.errno != errno.EEXIST:
            shutil.rmtree(directory, ignore_errors=True)
        raise not_made(error, directory) from None


def not_made(error: OSError, directory: Path) -> errors.LaunchError:
    """Why a run cannot be started on this machine."""
    here = socket.gethostname()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        words = f"no space is left on {here} for {directory}: make room there, or set HEADRACE_HOME to another disk."
    elif error.errno in (errno.EAGAIN, errno.ENOMEM):
        words = f"{here} can start no further process ({error.strerror}): limit the agent's runs, or raise the limits of its user."
    elif error.errno == errno.EEXIST:
        words = f"{directory} is there already: the run seems to be launched twice."
    else:
        words = f"the run could not be started on {here}: {error}"
    return errors.LaunchError(words)


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


def read_output(directory: Path, after: str = "") -> launch.Output:
    """What the run's processes have written to their standard streams, the last `OUTPUT_BYTES` of it."""
    begin = int(after or 0)
    try:
        with (directory / OUTPUT).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - OUTPUT_BYTES))
            content = file.read(OUTPUT_BYTES)
    except OSError:
        return launch.Output(b"", after)
    return launch.Output(content, str(size))


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
