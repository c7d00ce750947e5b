"""What was covered is said at the end."""

import math
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many points of how many operations, what was broken, and how fast servers were back after a crash."""
    found = _said(terminalreporter, "failpoints")
    for kind in ("sqlite", "postgres"):
        if ours := [one for one in found if one[0] == kind]:
            points, broken = (sum(one[column] for one in ours) for column in (2, 3))
            seconds = [second for one in ours for second in one[4]]
            terminalreporter.write_line(
                f"failpoints on {kind}: {points} crashes in {len({one[1] for one in ours})} operations,"
                f" {broken} violations; {len(seconds)} forked servers ready, {_p99(seconds)}"
            )
    if seconds := _said(terminalreporter, "restart"):
        terminalreporter.write_line(f"failpoints: {len(seconds)} real servers ready, {_p99(seconds)}")


def _said(reporter: pytest.TerminalReporter, name: str) -> list[Any]:
    """What tests have recorded under this name, also in other processes."""
    return [
        value
        for outcome in ("passed", "failed")
        for report in reporter.stats.get(outcome, [])
        for said, value in getattr(report, "user_properties", [])
        if said == name and report.when == "call"
    ]


def _p99(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"p99 after {sorted(seconds)[math.ceil(len(seconds) * 0.99) - 1] * 1000:.0f} ms"
