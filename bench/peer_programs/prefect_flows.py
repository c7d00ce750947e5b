"""Runs inside Prefect's environment: `noop COUNT`, `mapped COUNT`, `fib COUNT N` run here; `deploy` is for its worker."""

import sys
import time
from pathlib import Path

from prefect import flow, task

HERE = Path(__file__).resolve()


@task
def noop(number: int = 0) -> int:
    return number


@task
def fib(n: int, before: int | None = None) -> int:
    return plain_fib(n)


def plain_fib(n: int) -> int:
    return n if n < 2 else plain_fib(n - 1) + plain_fib(n - 2)


@flow
def flat(count: int) -> None:
    for started in [noop.submit(number) for number in range(count)]:
        started.wait()


@flow
def mapped(count: int) -> None:
    for started in noop.map(list(range(count))):
        started.wait()


@flow
def chain(count: int, n: int) -> None:
    value = None
    for _ in range(count):
        value = fib(n, value)


@flow
def first_line(path: str) -> None:
    Path(path).write_text(repr(time.time()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["noop", count]:
            flat(int(count))
        case ["mapped", count]:
            mapped(int(count))
        case ["fib", count, n]:
            chain(int(count), int(n))
        case ["deploy"]:
            stored = first_line.from_source(source=str(HERE.parent), entrypoint=f"{HERE.name}:first_line")
            stored.deploy(name="bench", work_pool_name="bench", print_next_steps=False, ignore_warnings=True)
