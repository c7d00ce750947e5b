"""What a supervisor asks of the kernel: to be given orphans, to take a child along, and who is below it.

On Linux all of it; elsewhere process groups have to do.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

#: For so long the last processes of a run are killed and waited for.
KILL_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Descendants whose parents end become this process's children: none can hide from it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(parent: int) -> None:
    """The kernel kills this process when its parent ends. Ends at once when that has happened before the call."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Processes below this one, parents before their children. Empty where there is no /proc."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # the name, in brackets, may hold anything: the fields behind its last bracket are what counts
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            below.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = list(below.get(pid, ()))
    while waiting:
        found.append(waiting.pop(0))
        waiting += below.get(found[-1], ())
    return found


def kill_below(pid: int) -> None:
    """Kills every process below this one, those that are made meanwhile too, and reaps what becomes its child.

    Gives up after some seconds on one that hangs in the kernel.
    """
    until = time.monotonic() + KILL_SECONDS
    while time.monotonic() < until:
        for below in descendants(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(below, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.005)


def _reap() -> bool:
    """Takes the exit statuses that are there; whether children are left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
