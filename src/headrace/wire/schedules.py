"""Schedules of flows, what they will do, and the switch that stops everything."""

from datetime import datetime
from uuid import UUID

from headrace import wire
from headrace.core import schedules as core_schedules
from headrace.core import states


class ScheduleRef(wire.Message, frozen=True, kw_only=True):
    schedule_id: UUID


class ListSchedules(wire.Message, frozen=True, kw_only=True):
    """By flow, by project, or all; in order of project, flow and name."""

    flow_id: UUID | None = None
    project: str | None = None
    after: str | None = None
    limit: int = 100


class CreateSchedule(wire.Message, frozen=True, kw_only=True):
    """A schedule of people's own: it survives new versions. Without a `name` it is called after what it does."""

    flow_id: UUID
    schedule: core_schedules.Schedule
    name: str = ""


class UpdateSchedule(wire.Message, frozen=True, kw_only=True):
    """What is not given stays. Of a schedule from code only `active` can be changed, the rest is in its code."""

    schedule_id: UUID
    name: str | None = None
    schedule: core_schedules.Schedule | None = None
    active: bool | None = None


class LastCatchUp(wire.Answer, frozen=True, kw_only=True):
    """Firings between `since` and `at` were missed; the policy made `made` runs of them."""

    at: datetime
    since: datetime
    policy: core_schedules.CatchUp
    made: int


class FlowSchedule(wire.Answer, frozen=True, kw_only=True):
    """A schedule of a flow. `origin` is code or people.

    `sentence` says in words when it fires; `idle` why it makes no runs, where it makes none. `schedule` is None where
    what is stored cannot be read; `idle` then says what is wrong with it.
    """

    id: UUID
    flow_id: UUID
    flow: str
    project_id: UUID
    project: str
    name: str
    origin: str
    schedule: core_schedules.Schedule | None
    sentence: str
    active: bool
    idle: states.Reason | None
    revision: int
    next_run_at: datetime | None
    last_catch_up: LastCatchUp | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class PreviewSchedule(wire.Message, frozen=True, kw_only=True):
    """The next firings after `since` (None: now) of a stored schedule or of one that is not stored."""

    schedule_id: UUID | None = None
    schedule: core_schedules.Schedule | None = None
    since: datetime | None = None
    count: int = 10


class Firing(wire.Answer, frozen=True, kw_only=True):
    """One moment at which a run will be due. `local` is what a clock on the wall shows, with its offset from UTC."""

    at: datetime
    local: str
    timezone: str
    clock: int
    dst: states.Reason | None


class SchedulePreview(wire.Answer, frozen=True, kw_only=True):
    """What a schedule will do: in words, and the next firings."""

    sentence: str
    firings: list[Firing]


class ReadSettings(wire.Message, frozen=True, kw_only=True):
    """Nothing to say."""


class UpdateSettings(wire.Message, frozen=True, kw_only=True):
    """What holds for the whole installation. `paused`: nothing is claimed and no schedule makes runs."""

    paused: bool | None = None
    reason: str = ""


class Settings(wire.Answer, frozen=True, kw_only=True):
    """What holds for the whole installation."""

    paused: bool
    paused_at: datetime | None
    paused_by: str
    paused_reason: str
