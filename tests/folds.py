"""A run's events against its row: one history, without gaps, that leads to where the run is, and ends once."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from headrace.core import states

#: A run that was lost so often is not rescued again.
MOST_RESCUES = 3


def problems(row: Any, events: Sequence[Any]) -> Iterator[str]:
    """What of it is not so, in sentences. `row` is of flow_runs, `events` are its rows of flow_run_events in order."""
    if [event.seq for event in events] != list(range(row.version + 1)):
        yield f"its history has gaps: {[event.seq for event in events]} of {row.version}"
    made = [event for event in events if event.kind == "move"]
    for before, after in itertools.pairwise(made):
        if after.from_type != before.state_type:
            yield f"event {after.seq} leaves {after.from_type}, and it was {before.state_type}"
        if after.fence < before.fence:
            yield f"event {after.seq} lowers the fence from {before.fence} to {after.fence}"
        if states.StateType(before.state_type).is_finished:
            yield f"event {after.seq} moves it from {before.state_type}, where it had ended"
    if made[-1].state_type != row.state_type:
        yield f"it is {row.state_type}, and {made[-1].state_type} by its history"
    if row.rescues > MOST_RESCUES:
        yield f"it was rescued {row.rescues} times"
