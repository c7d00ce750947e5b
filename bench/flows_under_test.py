"""The flows that measurements register: no-op tasks, recursion, and one that says when its first line ran."""

import time
from pathlib import Path

from headrace import Flow, flow, task


@task
def nothing(value: int = 0) -> int:
    return value


@task
def fib(n: int) -> int:
    return n if n < 2 else plain_fib(n - 1) + plain_fib(n - 2)


def plain_fib(n: int) -> int:
    return n if n < 2 else plain_fib(n - 1) + plain_fib(n - 2)


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task
def first_line(path: str) -> None:
    Path(path).write_text(repr(time.time()))


def flat(count: int) -> Flow:
    """`count` no-op tasks that do not hang together."""
    with Flow(f"flat-{count}") as made:
        for _ in range(count):
            nothing()
    return made


def chain(name: str, count: int, n: int) -> Flow:
    """`count` times fib(n), one after the other."""
    with Flow(name) as made:
        last = None
        for _ in range(count):
            last = fib(n, upstream=[last] if last is not None else [])
    return made


@flow(name="mapped")
def mapped(count: int = 10_000) -> None:
    nothing.map(numbers(count))


@flow(name="latency")
def latency(path: str = "") -> None:
    first_line(path)


def wide(count: int) -> Flow:
    """`count` tasks in layers of ten, each on two of the layer above: what a schematic has to draw."""
    with Flow(f"wide-{count}") as made:
        layer = [nothing() for _ in range(10)]
        for _ in range(count // 10 - 1):
            layer = [nothing(layer[at], upstream=[layer[(at + 1) % 10]]) for at in range(10)]
    return made
