"""The figures of many seeds as the tables of docs/reliability.md: `python tests/nemesis/figures.py FILE`."""

import collections
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: What a kind of fault is called in the table.
NAMES = {
    "kill_server": "server killed (SIGKILL)",
    "stop_server": "server stopped for 2–8 s (SIGSTOP)",
    "drain_server": "server ended (SIGTERM) and started again",
    "kill_agent": "agent killed",
    "drain_agent": "agent ended (SIGTERM) and started again",
    "stop_agent": "agent stopped for 2–10 s",
    "kill_run": "run process killed",
    "kill_supervisor": "supervisor killed",
    "pause_host": "whole host stopped for 2–16 s",
    "cut_both": "host cut off for 2–14 s",
    "cut_answers": "host cut off one way: hears nothing",
    "cut_requests": "host cut off one way: is not heard",
    "crash_postgres": "PostgreSQL crashed under load",
    "clock_forward": "clock set forward by an hour",
    "clock_back": "clock set back by 2–12 s",
    "fill_disk": "disk of the SQLite database full for 3–8 s",
    "storm": "storm: 65 % of the requests of one network hit, for 3–10 s",
}


def read(path: Path) -> list[dict[str, Any]]:
    """The last figures of each seed."""
    by_seed = {line["seed"]: line for line in map(json.loads, path.read_text().splitlines())}
    return [by_seed[seed] for seed in sorted(by_seed)]


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so large a part does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def tables(all_figures: Sequence[dict[str, Any]]) -> Iterator[str]:
    def total(*names: str) -> int:
        return sum(_at(each, names) for each in all_figures)

    ended: collections.Counter[str] = collections.Counter()
    for each in all_figures:
        ended.update(each["ended"])
    seeds = ", ".join(str(each["seed"]) for each in all_figures)
    hit = sum(sum(each["faults"].values()) for each in all_figures)
    broken = collections.Counter[str]()
    for each in all_figures:
        broken.update(each["broken"])
    yield "| | |\n|---|---|"
    yield f"| seeds | {len(all_figures)} ({seeds}), {all_figures[0]['seconds']:g} s each |"
    yield f"| faults | {hit} |"
    yield f"| runs | {total('runs')}: {', '.join(f'{count} {name}' for name, count in ended.most_common())} |"
    yield f"| rescues | {total('rescues')} |"
    yield f"| answers checked | {total('answers')} against {total('versions')} versions |"
    happened = ("reset", "unanswered", "twice", "late")
    counts = ", ".join(f"{total('requests', name)} {name}" for name in happened)
    yield f"| requests | {total('requests', 'requests')}: {counts} |"
    for kind, name in (
        ("lost", "runs lost"),
        ("overlapping", "overlapping executions"),
        ("stuck", "runs stuck"),
        ("order", "answers out of order, or of versions that are not there"),
        ("history", "histories with gaps or wrong ends"),
        ("ends", "ends without a cause"),
        ("other", "other (doctor, refused requests, processes that ended by themselves)"),
    ):
        yield f"| **{name}** | **{broken[kind]}** |"
    yield f"| overlaps of runs whose host was stopped (outside the promise of `reschedule`) | {total('overlaps_of_paused')} |"
    yield f"| quiet until all had ended, longest | {max(each['quiet'] for each in all_figures):.0f} s |"
    yield "\n| fault | times | works again after p50 | p99 |\n|---|---|---|---|"
    for kind, name in NAMES.items():
        times = total("faults", kind)
        seconds = [one for each in all_figures for one in each["recoveries"].get(kind, ())]
        if times and seconds:
            yield f"| {name} | {times} | {percentile(seconds, 0.5):.1f} s | {percentile(seconds, 0.99):.1f} s |"


def _at(figures: dict[str, Any], names: Sequence[str]) -> int:
    value: Any = figures
    for name in names:
        value = value.get(name, 0)
    return int(value)


if __name__ == "__main__":
    print("\n".join(tables(read(Path(sys.argv[1])))))
