"""What must be true of a run and its history, judged from their rows alone; every violation in a sentence."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headrace.core import moves, verdicts
from headrace.core.states import FINISHED, StateType

_HELD = frozenset({StateType.SUBMITTED, StateType.RUNNING, StateType.CANCELLING})
_STEPS = frozenset((move.before, move.after) for move in moves.FLOW_RUN_MOVES)
#: Columns of JSON text, of which each must be readable.
JSON = ("parameters", "labels", "run_config", "task_states", "result")


def problems(run: Any, events: Sequence[Any]) -> Iterator[str]:
    """Of a row of flow_runs and its rows of run_events by number."""
    state = _type(run.state_type)
    if state is None:
        yield f"its state {run.state_type!r} is none that a run can have"
        return
    yield from _of_row(run, state)
    seqs = [event.seq for event in events]
    if seqs != list(range(run.version + 1)):
        missing = sorted(set(range(run.version + 1)) - set(seqs))[:5]
        beyond = sorted(set(seqs) - set(range(run.version + 1)))[:5]
        yield f"its history has gaps: version {run.version}, without {missing}, beyond it {beyond}"
    made = [event for event in events if event.kind == "move"]
    if made:
        yield from _of_moves(run, made)
        yield from _of_fences(run, events)
        yield from _of_counts(run, made)
    elif events:
        yield "its history has no move"


def _type(text: str | None) -> StateType | None:
    return StateType(text) if text in set(StateType) else None


def _of_row(run: Any, state: StateType) -> Iterator[str]:
    if (run.finished_at is not None) != (state in FINISHED):
        yield f"it is {state} and its end is {run.finished_at or 'not recorded'}"
    if state in _HELD and run.lease_until is None:
        yield f"it is {state} and nobody holds a lease on it"
    if state not in _HELD and run.lease_until is not None:
        yield f"it is {state} and somebody holds a lease on it until {run.lease_until:%Y-%m-%d %H:%M:%S} UTC"
    if run.rescues > verdicts.RESCUES:
        yield f"it was rescued {run.rescues} times, and {verdicts.RESCUES} is the most"
    if run.retries_used > run.retries:
        yield f"it has used {run.retries_used} of {run.retries} retries"
    for name in JSON:
        text = getattr(run, name)
        try:
            msgspec.json.decode(text or "null")
        except msgspec.DecodeError as error:
            yield f"its {name} cannot be read: {error}"


def _of_moves(run: Any, made: Sequence[Any]) -> Iterator[str]:
    for before, after in itertools.pairwise(made):
        if after.from_type != before.state_type:
            yield f"event {after.seq} leaves {after.from_type}, and it was {before.state_type}"
        elif _type(before.state_type) in FINISHED:
            yield f"event {after.seq} moves it from {before.state_type}, where it had ended"
        elif (_type(before.state_type), _type(after.state_type)) not in _STEPS:
            yield f"event {after.seq} moves it from {before.state_type} to {after.state_type}, which nobody may"
    if made[0].from_type is not None or made[0].state_type != StateType.SCHEDULED:
        yield f"its history begins as {made[0].state_type}"
    last = made[-1]
    if (last.state_type, last.state_name) != (run.state_type, run.state_name):
        yield f"it is {run.state_type} ({run.state_name}), and {last.state_type} ({last.state_name}) by its history"


def _of_fences(run: Any, events: Sequence[Any]) -> Iterator[str]:
    highest = 0
    for event in events:
        if event.kind == "move" and event.fence < highest:
            yield f"event {event.seq} lowers the fence from {highest} to {event.fence}"
        highest = max(highest, event.fence)
    if run.fence != highest:
        yield f"its fence is {run.fence}, and {highest} by its history"


def _of_counts(run: Any, made: Sequence[Any]) -> Iterator[str]:
    claims = sum(
        (event.from_type, event.state_type) == (StateType.SCHEDULED, StateType.SUBMITTED) for event in made
    )
    counted = {
        "attempt": (run.attempt, claims),
        "rescues": (run.rescues, sum(event.state_name == "Rescued" for event in made)),
        "retries_used": (run.retries_used, sum(event.state_name == "AwaitingRetry" for event in made)),
    }
    for name, (said, found) in counted.items():
        if said != found:
            yield f"its {name} is {said}, and {found} by its history"
