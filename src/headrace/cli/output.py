"""How commands say things: data on stdout (a table, or JSON), talk on stderr. Plain where there is no terminal."""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from headrace.core import states

Command = Callable[..., Any]

_COLOURS = {
    states.StateType.SCHEDULED: "white",
    states.StateType.SUBMITTED: "yellow",
    states.StateType.RUNNING: "blue",
    states.StateType.PAUSED: "magenta",
    states.StateType.CANCELLING: "bright_black",
    states.StateType.SUCCESS: "green",
    states.StateType.FAILED: "red",
    states.StateType.CRASHED: "bright_red",
    states.StateType.CANCELLED: "bright_black",
}


def formatted(command: Command) -> Command:
    """Adds `-o table|json`."""
    option = click.option(
        "-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print."
    )
    return option(command)


def json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns on a terminal, tabs in a pipe."""
    rows = [tuple(row) for row in rows]
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(click.unstyle(cell) for cell in row))
        return
    widths = [max(len(click.unstyle(row[at])) for row in [tuple(titles), *rows]) for at in range(len(titles))]
    click.echo(
        "  ".join(
            click.style(title.ljust(width), bold=True) for title, width in zip(titles, widths, strict=True)
        )
    )
    for row in rows:
        cells = (
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def say(text: str) -> None:
    """Talk: not part of what a script would read."""
    click.echo(text, err=True)


def state(value: states.State) -> str:
    """A state's name in its colour."""
    return click.style(value.name, fg=_COLOURS[value.type])


def ago(at: datetime | None) -> str:
    """How long ago, or in how long, in the largest unit that says something."""
    if at is None:
        return "–"
    seconds = (datetime.now(UTC) - at).total_seconds()
    return f"in {length(-seconds)}" if seconds < 0 else f"{length(seconds)} ago"


def utc(typed: datetime | None) -> datetime | None:
    """A time that somebody typed: UTC."""
    return None if typed is None else typed.replace(tzinfo=UTC)


def length(seconds: float) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min, 5 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
