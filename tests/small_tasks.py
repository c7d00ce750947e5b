"""The tasks of the executors' conformance tests: small, and leaving traces in files where they must."""

import time
from pathlib import Path
from typing import Any

from headrace import errors
from headrace.graph import context, task


@task.task
def one() -> int:
    return 1


@task.task
def give(value: Any) -> Any:
    return value


@task.task
def add(x: int, y: int = 1) -> int:
    return x + y


@task.task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task.task
def total(values: list[Any]) -> Any:
    return sum(values)


@task.task
def pair() -> tuple[int, str]:
    return 7, "seven"


class Odd(Exception):
    """One that cannot be made again from its message alone."""

    def __init__(self, number: int, word: str) -> None:
        super().__init__(f"{number} is {word}")
        self.number = number


@task.task
def even(value: int) -> int:
    if value % 2:
        raise Odd(value, "odd")
    return value


@task.task
def fail(upstream_value: Any = None) -> None:
    raise ValueError("it broke")


@task.task
def skip() -> None:
    raise errors.Skip("nothing to do")


def note(path: str, line: str = "x") -> int:
    """Adds a line to a file; answers how many there are. Attempts may be in different processes."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")
    return len(Path(path).read_text().splitlines())


@task.task
def third_time(path: str) -> str:
    tries = note(path)
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return f"{context.context.attempt} attempts"


@task.task
def noted(path: str, value: int) -> int:
    note(path)
    return value * 2


@task.task
def forever(path: str = "") -> None:
    if path:
        note(path)
    while True:
        time.sleep(0.01)
