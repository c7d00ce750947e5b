"""T22: a flow of 5,000 tasks: built, registered. Its first drawing is t22_drawing.py."""

import sys
import time

from flows_under_test import wide
from measure import Row, Stack, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def built() -> float:
    started = time.perf_counter()
    wide(5000)
    return time.perf_counter() - started


def registered() -> float:
    flow = wide(5000)
    started = time.perf_counter()
    flow.register(project="bench")
    return time.perf_counter() - started


if __name__ == "__main__":
    from headrace import Client

    with Stack(agent=False) as stack:
        Client(server_url=stack.url, api_key=stack.key).create_project("bench")
        built()
        report(
            Row("T22", "flow of 5,000 tasks, built", "s", [built() for _ in range(REPEATS)], 0.5, 0.3),
            Row("T22", "flow of 5,000 tasks, registered", "s", [registered() for _ in range(REPEATS)], 2, 1),
        )
