"""Which process a pid meant: pids are given again, start times are not."""

import sys
from pathlib import Path


def start_time(pid: int) -> float | None:
    """When the process started, in a unit that only compares; None when it is gone or has ended.

    On Linux in ticks since the boot, which no change of the clock moves.
    """
    if sys.platform == "linux":
        try:
            # the name, in brackets, may hold anything: the fields behind its last bracket are what counts
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ("Z", "X") else float(fields[19])
    import psutil  # a run process on Linux does without

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
