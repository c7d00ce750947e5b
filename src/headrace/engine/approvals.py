"""Approving a paused task where the run was started by hand: a question on the terminal."""

import sys
from collections.abc import Callable


def on_terminal() -> Callable[[str, int, str], bool] | None:
    """What asks, for FlowRunner's `approve`; None where nobody sits at a terminal."""
    return _ask if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty() else None  # pyright: ignore[reportUnnecessaryComparison] - None under pythonw and in daemons


def _ask(slug: str, map_index: int, reason: str) -> bool:
    called = slug if map_index < 0 else f"{slug}[{map_index}]"
    question = f"Task '{called}' waits for an approval ({reason}). Go on? [y/N] "
    return input(question).strip().lower() in ("y", "yes")
