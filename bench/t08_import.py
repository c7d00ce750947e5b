"""T8: `from headrace import flow, task`, CPU above the bare interpreter. T9: `headrace --help`, wall, and its CPU."""

import subprocess
import sys
import time
from pathlib import Path

import peers
from measure import Row, cpu_of, environment, repeat, report

IMPORTS = {
    "prefect": "from prefect import flow, task",
    "dagster": "import dagster",
    "airflow": "from airflow.sdk import dag, task",
    "luigi": "import luigi",
}
OURS = [str(Path(sys.executable).with_name("headrace")), "--help"]


def above_bare(python: str, statement: str) -> float:
    return cpu_of([python, "-c", statement]) - cpu_of([python, "-c", "pass"])


def wall(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    installed = [name for name in IMPORTS if peers.python_of(name)]
    with environment(**peers.QUIET):
        imports = {
            name: repeat(5, lambda n=name: above_bare(str(peers.python_of(n)), IMPORTS[n]))
            for name in installed
        }
        helps = {
            name: repeat(5, lambda n=name: wall([str(peers.program_of(n)), "--help"])) for name in installed
        }
    report(
        Row("T8", "import of flow and task, CPU above bare Python", "s",
            repeat(15, lambda: above_bare(sys.executable, "from headrace import flow, task")), 0.10, 0.06, peers=imports),
        Row("T9", "headrace --help", "s", repeat(15, lambda: wall(OURS)), 0.20, 0.12, peers=helps),
        Row("T9", "the same, CPU", "s", repeat(15, lambda: cpu_of(OURS))),
    )  # fmt: skip
