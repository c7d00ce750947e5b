"""Values that stayed where they were made: brought here where somebody will look at them, many at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace import errors, executors
from headrace.engine import outcome, plan
from headrace.graph import edge

#: Of a run that nobody but its caller watches: values with no more bytes come back, whether they are returned or not.
SMALL_BYTES = 1024 * 1024


def all_here(values: Sequence[Any]) -> list[Any]:
    """The values themselves. Raises errors.ResultError."""
    away = [value for value in values if isinstance(value, executors.Remote)]
    if away:
        away[0].fetch(away[1:])
    return [executors.here(value) for value in values]


def bring(walks: Mapping[str, plan.Walk], result: edge.Argument, *, everything: bool) -> None:
    """Before what holds them ends: the values of which the flow's own is made, and with `everything` the small others.

    What cannot be had stays away, and says so to whoever asks for it.
    """
    needed = set(_named(result))
    for slug, walk in walks.items():
        records = walk.state.children or [walk.state]
        away = [
            record
            for record in records
            if isinstance(record.value, executors.Remote)
            and (slug in needed or (everything and record.value.size <= SMALL_BYTES))
        ]
        _bring(away)


def _bring(away: list[outcome.TaskState]) -> None:
    try:
        values = all_here([record.value for record in away])
    except errors.ResultError:
        if len(away) > 1:
            for record in away:
                _bring([record])
        return
    for record, value in zip(away, values, strict=True):
        record.value = value


def _named(argument: edge.Argument) -> Iterator[str]:
    """The tasks whose values an argument is made of."""
    match argument:
        case edge.Reference(slug, _):
            yield slug
        case edge.Collection(_, items):
            for item in items:
                yield from _named(item)
        case edge.Flattened(inner):
            yield from _named(inner)
        case _:
            return
