"""Results that a re-run may take over: of the run that it is a re-run of, and of those which that one took over.

The server knows where results are, and never what they are.
"""

import dataclasses
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core.states import State, StateType
from headrace.server import tables

_runs = tables.flow_runs
_tasks = tables.task_runs

Place = tuple[str, int]
#: What a re-run does anew of the results before it: slug → map indices, or None for all of the task.
Anew = dict[str, list[int] | None]
#: The slug that stands for every task.
EVERY = "*"

_run = sa.select(*[_runs.c.id, _runs.c.name, _runs.c.restarted_from, _runs.c.anew]).where(
    _runs.c.id == sa.bindparam("id")
)
_recorded = sa.select(
    *(_tasks.c.slug, _tasks.c.map_index, _tasks.c.result, _tasks.c.state_type, _tasks.c.state_name),
    *(_tasks.c.state_message, _tasks.c.state_at),
).where(_tasks.c.flow_run_id == sa.bindparam("run"))


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A task run that succeeded. `result`: where its value is, as JSON; None when it was not kept. `origin`: its run's name."""

    origin: str
    state: State
    result: Any

    @property
    def has_value(self) -> bool:
        """Whether a task below it can be run: a skipped one is known to have none."""
        return self.result is not None or self.state.is_skipped


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a run's tasks.

    Attributes
    ----------
    kept: the task runs that succeeded, in it or in a run that it took them over from.
    states: those that it recorded itself, whatever became of them.
    """

    kept: dict[Place, Kept]
    states: dict[Place, StateType]


def of_run(connection: sa.Connection, run_id: UUID) -> Record:
    """What a re-run of this run finds. A run before it that is gone has left nothing."""
    lineage: list[sa.Row[Any]] = []
    following: UUID | None = run_id
    while following is not None:
        row = connection.execute(_run, {"id": following}).one_or_none()
        if row is None:
            break
        lineage.append(row)
        following = row.restarted_from
    kept: dict[Place, Kept] = {}
    states: dict[Place, StateType] = {}
    for run in reversed(lineage):
        kept = without(kept, run.anew)
        states = _add(connection, run, kept)
    return Record(kept, states)


def inherited(connection: sa.Connection, run_id: UUID) -> dict[Place, Kept]:
    """What this run itself may take over; nothing where it is no re-run."""
    run = connection.execute(_run, {"id": run_id}).one()
    if run.restarted_from is None:
        return {}
    return without(of_run(connection, run.restarted_from).kept, run.anew)


def without(kept: dict[Place, Kept], anew: Anew | None) -> dict[Place, Kept]:
    """The results that are not to be made anew. A mapped task of which children are missing has not come to its end."""
    if not anew:
        return kept
    if EVERY in anew:
        return {}
    indices = {slug: None if some is None else set(some) for slug, some in anew.items()}

    def stays(place: Place) -> bool:
        some = indices.get(place[0], ())
        return some is not None and place[1] not in some and (place[1] >= 0 or not some)

    return {place: each for place, each in kept.items() if stays(place)}


def same(before: Kept, result: Any) -> bool:
    """Whether a run recorded a result that it took over, and not one of its own."""
    return before.result == result


def _add(connection: sa.Connection, run: sa.Row[Any], kept: dict[Place, Kept]) -> dict[Place, StateType]:
    """Puts what a run recorded over what it found; answers the states that it recorded."""
    states: dict[Place, StateType] = {}
    for slug, index, result, kind, name, message, at in connection.execute(_recorded, {"run": run.id}):
        place = (slug, index)
        states[place] = type_ = StateType(kind)
        if type_ is not StateType.SUCCESS:
            kept.pop(place, None)
        elif place not in kept or not same(kept[place], result):
            kept[place] = Kept(run.name, State(type_, name, at, message), result)
    return states
