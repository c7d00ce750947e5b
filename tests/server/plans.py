"""What tests of schedules share: a flow with schedules, and the scheduler done by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from lifecycles import Life

from headrace.core import schedules as core_schedules
from headrace.server import installation, schedules, tables
from headrace.server.loops import scheduler
from headrace.web import handlers
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import runs as wire_runs
from headrace.wire import schedules as wire_schedules

#: Imported for their handlers.
NOUNS = (installation, schedules)

HOURLY = core_schedules.cron("0 * * * *")


class Plans(Life):
    """One flow whose schedules the test makes."""

    def schedule(
        self, schedule: core_schedules.Schedule = HOURLY, name: str = "", flow_id: UUID | None = None
    ) -> wire_schedules.FlowSchedule:
        request = wire_schedules.CreateSchedule(
            flow_id=flow_id or self.flow.flow_id, schedule=schedule, name=name
        )
        return self.server.call(operations.create_schedule, request, self.server.as_.member)

    def shown(self, schedule_id: UUID) -> wire_schedules.FlowSchedule:
        return self.server.call(operations.read_schedule, wire_schedules.ScheduleRef(schedule_id=schedule_id))

    def schedules(self) -> list[wire_schedules.FlowSchedule]:
        return self.server.call(operations.list_schedules, wire_schedules.ListSchedules()).items

    def update(self, schedule_id: UUID, **changes: Any) -> wire_schedules.FlowSchedule:
        request = wire_schedules.UpdateSchedule(schedule_id=schedule_id, **changes)
        return self.server.call(operations.update_schedule, request, self.server.as_.member)

    def delete(self, schedule_id: UUID) -> None:
        self.server.call(operations.delete_schedule, wire_schedules.ScheduleRef(schedule_id=schedule_id))

    def update_flow(self, **changes: Any) -> wire_flows.Flow:
        request = wire_flows.UpdateFlow(flow_id=self.flow.flow_id, **changes)
        return self.server.call(operations.update_flow, request, self.server.as_.member)

    def pause_everything(self, paused: bool = True) -> wire_schedules.Settings:
        return self.server.call(
            operations.update_settings, wire_schedules.UpdateSettings(paused=paused, reason="moving house")
        )

    def scheduler(self) -> timedelta | None:
        """The scheduler looks once."""
        return self.server.run(scheduler.run_once(self.server.service))

    def pass_time(self, until: datetime, step: timedelta = timedelta(minutes=20)) -> None:
        """Time passes while a scheduler is there."""
        while self.server.clock.now < until:
            self.server.clock.now = min(until, self.server.clock.now + step)
            self.was_there()

    def was_there(self) -> None:
        """The scheduler looks, and has looked all the time before: that is written down, and not done."""

        def seen(call: handlers.Call[Any]) -> None:
            change = tables.installation.update().where(~tables.installation.c.paused)
            call.connection.execute(change.values(scheduler_at=call.now))

        self.server.write(seen)
        self.scheduler()

    def runs(self, **wanted: Any) -> list[sa.Row[Any]]:
        """The runs that schedules made, in order of their time."""
        found = [row for row in self.server.rows(tables.flow_runs) if row.schedule_id is not None]
        kept = [row for row in found if all(getattr(row, name) == value for name, value in wanted.items())]
        return sorted(kept, key=lambda row: (row.due_at, row.tick))

    def due(self, **wanted: Any) -> list[str]:
        """When they are due, as `22 13:00`."""
        return [f"{row.due_at:%d %H:%M}" for row in self.runs(**wanted)]

    def read_run(self, run_id: UUID) -> wire_runs.FlowRun:
        return self.read(run_id)


def at(hour: int, minute: int = 0, day: int = 22) -> datetime:
    """A moment in the November of the virtual clock, which begins at 12:00 on the 22nd."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)
