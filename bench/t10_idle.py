"""T10: the idle server, T11: the idle agent (without its warm template): memory and CPU. T12: start until healthy."""

import sys
import time

import psutil

from measure import Row, Stack, cpu_seconds, pss_megabytes, report

#: How long the idle parts are watched, in seconds.
WATCH = float(sys.argv[1]) if len(sys.argv) > 1 else 30

if __name__ == "__main__":
    starts = []
    for _ in range(4):
        with Stack(agent=False) as stack:
            starts.append(stack.healthy_seconds)
    with Stack() as stack:
        time.sleep(5)
        agent = psutil.Process(stack.processes[1].pid)
        before = cpu_seconds(stack.server), sum(agent.cpu_times()[:2])
        time.sleep(WATCH)
        after = cpu_seconds(stack.server), sum(agent.cpu_times()[:2])
        report(
            Row("T10", "idle server, memory (PSS)", "MB", [pss_megabytes(stack.server)], 100, 75),
            Row(
                "T10",
                "idle server with an agent on long poll, CPU of a core",
                "%",
                [100 * (after[0] - before[0]) / WATCH],
                0.5,
                0.2,
            ),
            Row("T11", "idle agent, memory (PSS)", "MB", [pss_megabytes(agent, descendants=False)], 45, 35),
            Row("T11", "idle agent, CPU of a core", "%", [100 * (after[1] - before[1]) / WATCH], 0.2, 0.1),
            Row("T12", "server start until healthy, new database", "s", starts, 1.5, 0.8),
        )
