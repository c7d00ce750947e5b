"""T8: `from headrace import flow, task`, CPU above the bare interpreter. T9: `headrace --help`, wall."""

import subprocess
import sys
import time
from pathlib import Path

from measure import Row, cpu_of, repeat, report

PEERS = {"prefect": "from prefect import flow, task", "dagster": "import dagster", "luigi": "import luigi"}


def above_bare(python: str, statement: str) -> float:
    return cpu_of([python, "-c", statement]) - cpu_of([python, "-c", "pass"])


def help_wall() -> float:
    started = time.perf_counter()
    subprocess.run(
        [str(Path(sys.executable).with_name("headrace")), "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    from peers import python_of

    peers = {
        name: min(repeat(5, lambda p=p, s=PEERS[name]: above_bare(p, s)))
        for name in PEERS
        if (p := python_of(name))
    }
    report(
        Row(
            "T8",
            "import of flow and task, CPU above bare Python",
            "s",
            repeat(15, lambda: above_bare(sys.executable, "from headrace import flow, task")),
            0.10,
            0.06,
            peers=peers,
        ),
        Row("T9", "headrace --help", "s", repeat(15, help_wall), 0.20, 0.12),
    )
