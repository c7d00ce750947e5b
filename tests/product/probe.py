"""Flows that show on the disk when their code runs: a file lock held meanwhile, and a line at each start and stop.

Who does not get the lock is a second execution of the run at the same time. That is the truth, whatever the server says.
"""

import fcntl
import json
import os
import time
from pathlib import Path

from headrace import context, flow, task


@task
def hold(folder: str, seconds: float) -> int:
    path = Path(folder) / context.run_id
    fence = context.fence

    def say(what: str) -> None:
        line = {
            "what": what,
            "fence": fence,
            "pid": os.getpid(),
            "at": time.time(),
            "steady": time.monotonic(),
        }
        with path.with_suffix(".lines").open("a") as file:
            file.write(json.dumps(line) + "\n")

    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("overlap")
        say("start")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
        say("stop")
    return fence


@flow(name="at-most-once", on_lost="crash")
def at_most_once(folder: str, seconds: float) -> None:
    hold(folder, seconds)


@flow(name="at-least-once", on_lost="reschedule")
def at_least_once(folder: str, seconds: float) -> None:
    hold(folder, seconds)
