"""A hundred task runs in a chain, of which 32 are the children of one mapped task. Each leaves a line on the disk when it ends.

The 73rd fails until somebody mends it. Where the test has put a `stop-N`, the N-th waits for the test's `go-N`.
"""

import os
import time
from pathlib import Path

from headrace import context, flow, task, unmapped

BEFORE, MAPPED, AFTER = 40, 32, 28
FAILS = 73


def work(folder: str, number: int) -> int:
    place = Path(folder)
    if (place / f"stop-{number}").exists():
        (place / f"at-{number}").write_text(str(os.getpid()))
        until = time.monotonic() + 120
        while not (place / f"go-{number}").exists() and time.monotonic() < until:
            time.sleep(0.02)
    if number == FAILS and not (place / "mended").exists():
        raise RuntimeError("not mended")
    with (place / "lines").open("a") as file:
        file.write(f"{number} {context.run_id}\n")
    return number


@task(name="one")
def one(folder: str, above: int = 0) -> int:
    return work(folder, above + 1)


@task(name="each")
def each(folder: str, number: int) -> int:
    return work(folder, number)


@task(name="numbers")
def numbers(folder: str, above: int) -> list[int]:
    """The last one before the map: it counts as a task run itself."""
    work(folder, above + 1)
    return [above + 1 + index for index in range(1, MAPPED + 1)]


@task(name="last")
def last(folder: str, above: list[int]) -> int:
    return work(folder, above[-1] + 1)


@flow(name="hundred", on_lost="reschedule")
def hundred(folder: str) -> None:
    number = one(folder)
    for _ in range(BEFORE - 2):
        number = one(folder, number)
    number = last(folder, each.map(unmapped(folder), numbers(folder, number)))
    for _ in range(AFTER - 1):
        number = one(folder, number)
