"""T15: 10 × fib(33) in sequence, whole, ÷ bare Python. T14's part in process: 40 × fib(10), the whole program."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import peer_servers
import peers
from measure import Row, cpu_of, environment, report

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
PEER_ROUNDS = max(1, ROUNDS // 3)
LARGE = 33

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


def ratios(
    programs: dict[str, list[str]], bare: list[str], rounds: int
) -> tuple[dict[str, list[float]], float]:
    """CPU of each program over the mean of the bare one's just before and just after it; and the bare one's seconds.

    The speed of a core drifts by a tenth and more within minutes, in CPU time too, with whatever shares its cache and
    its clock: a ratio of two runs in one order would show that, and not the programs.
    """
    found: dict[str, list[float]] = {name: [] for name in programs}
    floors = [cpu_of(bare)]
    for _ in range(rounds):
        for name, command in programs.items():
            took = cpu_of(command)
            floors.append(cpu_of(bare))
            found[name].append(took / statistics.mean(floors[-2:]))
    return found, statistics.median(floors)


def theirs(count: int, n: int) -> dict[str, list[str]]:
    """In process: none has its server here."""
    return {
        name: peers.command(name, "fib", count, n) for name in ("dagster", "luigi") if peers.python_of(name)
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as made, environment(**peers.QUIET, DAGSTER_HOME=made):
        folder = Path(made)
        bare = program(BARE, 10, LARGE, folder)
        own, floor = ratios({"headrace": program(OURS, 10, LARGE, folder)}, bare, ROUNDS)
        with peer_servers.started("prefect") as server, environment(**(server.env if server else {})):
            beside, _ = ratios(theirs(10, LARGE), bare, PEER_ROUNDS)
        short = program(OURS, 40, 10, folder)
        commands = {name: command for name, command in theirs(40, 10).items() if name != "prefect"}
        for command in (short, *commands.values()):
            wall(command)
        report(
            Row("T15", "10 × fib(33) in sequence, CPU ÷ bare Python", "×", own["headrace"], 1.05, 1.02, peers=beside,
                notes=f"(bare: {floor:.3g} s)"),
            Row("T14", "40 × fib(10) in sequence, in process, whole program", "s", [wall(short) for _ in range(9)], 0.35, 0.2,
                peers={name: [wall(command) for _ in range(3)] for name, command in commands.items()}),
        )  # fmt: skip


if __name__ == "__main__":
    main()
