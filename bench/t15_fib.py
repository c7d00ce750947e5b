"""T15: 10 × fib(33) in sequence, whole, ÷ bare Python. T14's part in process: 40 × fib(10), the whole program."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from measure import Row, cpu_of, report
from peer_programs import fib_ratios

FUNCTION = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
"""

BARE = (
    FUNCTION
    + """
for _ in range({count}):
    fib({n})
"""
)

OURS = (
    """
from headrace import flow, task
"""
    + FUNCTION
    + """
@task
def number(n, before):
    return fib(n)

@flow
def numbers():
    value = None
    for _ in range({count}):
        value = number({n}, value)
    return value

numbers()
"""
)


def program(text: str, count: int, n: int, folder: Path) -> list[str]:
    path = folder / f"{abs(hash(text))}-{count}-{n}.py"
    path.write_text(text.format(count=count, n=n))
    return [sys.executable, str(path)]


def wall(command: list[str]) -> float:
    started = time.perf_counter()
    cpu_of(command)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ours, bare = program(OURS, 10, 33, folder), program(BARE, 10, 33, folder)
        # CPU time, in turns: other work on the machine falls on both alike.
        pairs = [(cpu_of(ours), cpu_of(bare)) for _ in range(3)]
        ratios = [mine / floor for mine, floor in pairs]
        floor = statistics.median(floor for _, floor in pairs)
        short = program(OURS, 40, 10, folder)
        wall(short)
        report(
            Row(
                "T15", "10 × fib(33) in sequence, CPU ÷ bare Python", "×", ratios, 1.05, 1.02, peers=fib_ratios(10, 33, floor),
                notes=f"(bare: {floor:.3g} s)",
            ),
            Row("T14", "40 × fib(10) in sequence, in process, whole program", "s", [wall(short) for _ in range(9)], 0.35, 0.2),
        )  # fmt: skip


if __name__ == "__main__":
    main()
