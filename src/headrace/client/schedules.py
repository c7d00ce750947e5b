"""The client's methods for schedules: `Client().schedules`."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from headrace.client.connection import Connection
from headrace.core import schedules as core_schedules
from headrace.wire import operations, schedules


class Schedules:
    """What people do with schedules. They hang on the flow, and those made here survive its versions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self, flow_id: UUID, schedule: core_schedules.Schedule, *, name: str = ""
    ) -> schedules.FlowSchedule:
        """Gives a flow a schedule: `client.schedules.create(flow.id, headrace.cron("0 6 * * *"))`.

        Without a `name` it is called after what it does. Raises errors.Invalid when its runs would lack a parameter.
        """
        request = schedules.CreateSchedule(flow_id=flow_id, schedule=schedule, name=name)
        return self._connection.call(operations.create_schedule, request)

    def list(
        self, *, flow_id: UUID | None = None, project: str | None = None
    ) -> Iterator[schedules.FlowSchedule]:
        """Schedules of a flow, of a project, or all, fetched a page at a time as they are read."""
        request = schedules.ListSchedules(flow_id=flow_id, project=project)
        return self._connection.pages(operations.list_schedules, request)

    def read(self, schedule_id: UUID) -> schedules.FlowSchedule:
        return self._connection.call(operations.read_schedule, schedules.ScheduleRef(schedule_id=schedule_id))

    def update(
        self,
        schedule_id: UUID,
        *,
        schedule: core_schedules.Schedule | None = None,
        name: str | None = None,
    ) -> schedules.FlowSchedule:
        """Changes what is given. What had been made and not started is replaced with the answer."""
        request = schedules.UpdateSchedule(schedule_id=schedule_id, schedule=schedule, name=name)
        return self._connection.call(operations.update_schedule, request)

    def pause(self, schedule_id: UUID) -> schedules.FlowSchedule:
        """Its runs that have not started are removed, and it makes no new ones."""
        request = schedules.UpdateSchedule(schedule_id=schedule_id, active=False)
        return self._connection.call(operations.update_schedule, request)

    def resume(self, schedule_id: UUID) -> schedules.FlowSchedule:
        """It makes runs again, from now on."""
        request = schedules.UpdateSchedule(schedule_id=schedule_id, active=True)
        return self._connection.call(operations.update_schedule, request)

    def delete(self, schedule_id: UUID) -> None:
        """Its runs that have not started go with it."""
        self._connection.call(operations.delete_schedule, schedules.ScheduleRef(schedule_id=schedule_id))

    def preview(
        self,
        schedule: core_schedules.Schedule | UUID,
        *,
        since: datetime | None = None,
        count: int = 10,
    ) -> schedules.SchedulePreview:
        """When a schedule, or the stored one of this id, fires next: in words, and the next `count` moments."""
        stored = schedule if isinstance(schedule, UUID) else None
        request = schedules.PreviewSchedule(
            schedule_id=stored,
            schedule=None if isinstance(schedule, UUID) else schedule,
            since=since,
            count=count,
        )
        return self._connection.call(operations.preview_schedule, request)
