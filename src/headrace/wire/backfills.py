"""Backfills: the firings of a schedule in a period of the past, run as one."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from headrace import wire
from headrace.core import states
from headrace.core.schedules import Schedule


class CreateBackfill(wire.Message, frozen=True, kw_only=True):
    """A period, both ends included, of a stored schedule (`schedule_id`), or of `schedule` for the flow `flow_id`.

    At most `parallel` of its runs are unfinished at a time. `skip` says which firings are left out: those whose run has
    succeeded, those that have any run, or none. `parameters` go over those of the schedule.
    """

    schedule_id: UUID | None = None
    flow_id: UUID | None = None
    schedule: Schedule | None = None
    since: datetime
    until: datetime
    parallel: int = 1
    newest_first: bool = False
    skip: Literal["succeeded", "any", "none"] = "succeeded"
    parameters: dict[str, Any] = {}
    priority: int = -1


class Planned(wire.Answer, frozen=True, kw_only=True):
    """One firing that a backfill would run. `dst` says what the change of clocks did."""

    at: datetime
    parameters: dict[str, Any]
    dst: states.Reason | None


class BackfillPlan(wire.Answer, frozen=True, kw_only=True):
    """What a backfill would do: `total` runs, of which the first ones are shown; `skipped` have a run already."""

    total: int
    skipped: int
    first: list[Planned]


class Backfill(wire.Answer, frozen=True, kw_only=True):
    """`status` is running, done or cancelled; `runs` counts its runs by state, `total` are those that it makes in all."""

    id: UUID
    flow_id: UUID
    flow: str
    project: str
    schedule_id: UUID | None
    schedule: Schedule
    since: datetime
    until: datetime
    parallel: int
    newest_first: bool
    skip: str
    parameters: dict[str, Any]
    priority: int
    status: str
    problem: str
    total: int
    skipped: int
    runs: dict[str, int]
    created_at: datetime
    created_by: str
    ended_at: datetime | None


class BackfillRef(wire.Message, frozen=True, kw_only=True):
    backfill_id: UUID


class ListBackfills(wire.Message, frozen=True, kw_only=True):
    flow_id: UUID | None = None
    after: str | None = None
    limit: int = 50
