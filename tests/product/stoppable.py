"""Flows for the tests that cancel and pause: each does its thing until it is stopped, and leaves its traces in a folder."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import headrace
from headrace import Pause, flow, task

#: Below a child that leads a session of its own, as a shell does for what it starts.
GRANDCHILD = (
    "import os, sys, time; os.setsid(); open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
)
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}, sys.argv[1]])"


def here(folder: str) -> None:
    """The task has begun."""
    (Path(folder) / "here").write_text(str(os.getpid()))


@task
def sleep(folder: str) -> None:
    here(folder)
    time.sleep(600)


@task
def burn(folder: str) -> None:
    here(folder)
    number = 0
    while True:
        number += 1


@task
def hold_the_lock(folder: str) -> None:
    """Counts in C, where no signal handler runs and no other thread of this interpreter does."""
    here(folder)
    sum(itertools.repeat(0, 10**13))


@task
def spawn(folder: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(Path(folder) / "grandchild")])
    while not (Path(folder) / "grandchild").exists():
        time.sleep(0.01)
    (Path(folder) / "child").write_text(str(child.pid))
    here(folder)
    child.wait()


@task
async def wait(folder: str) -> None:
    here(folder)
    await asyncio.sleep(600)


TASKS = {"sleeping": sleep, "busy": burn, "in-c": hold_the_lock, "spawning": spawn, "async": wait}
EXECUTORS = {
    "local": None,
    "thread": headrace.ThreadExecutor(workers=2),
    "process": headrace.ProcessExecutor(workers=2),
}

for _what, _task in TASKS.items():
    for _where, _executor in EXECUTORS.items():
        with headrace.Flow(f"{_what}-{_where}", executor=_executor) as made:
            _task(headrace.Parameter("folder"))
        globals()[f"{_what}_{_where}"] = made
del made


@task
def touch(path: str) -> None:
    Path(path).touch()


@flow(name="touches")
def touches(path: str) -> None:
    touch(path)


@task
def step(folder: str, name: str, after: object = None) -> str:
    """Says that it has begun, and goes on when the test says so."""
    with (Path(folder) / "lines").open("a") as lines:
        lines.write(f"{name}\n")
    while (Path(folder) / f"stop-{name}").exists() and not (Path(folder) / f"go-{name}").exists():
        time.sleep(0.01)
    return name


@flow(name="steps")
def steps(folder: str) -> None:
    step(folder, "third", step(folder, "second", step(folder, "first")))


@task
def ask(seconds: float | None, after: object) -> None:
    if not headrace.context.resumed:
        raise Pause("may it go on?", timeout=seconds)


@flow(name="asks")
def asks(folder: str, seconds: float | None = None) -> None:
    asked = ask(seconds, step(folder, "before"))
    step(folder, "after", asked)
