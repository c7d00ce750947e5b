"""`client.backfills`: past firings of schedules, run as one."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from headrace.client import flow_names
from headrace.client.connection import Connection
from headrace.core.schedules import Schedule
from headrace.wire import backfills, operations

Skip = Literal["succeeded", "any", "none"]


class Backfills:
    """`schedule` is the id of a stored schedule, or one made here (`cron(...)`) for `flow`, which is "project/flow"."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(
        self,
        schedule: UUID | Schedule,
        since: datetime,
        until: datetime,
        *,
        flow: str | None = None,
        newest_first: bool = False,
        skip: Skip = "succeeded",
        parameters: Mapping[str, Any] | None = None,
    ) -> backfills.BackfillPlan:
        """What would run; nothing is made."""
        request = self._request(schedule, since, until, flow, newest_first, skip, parameters)
        return self._connection.call(operations.plan_backfill, request)

    def create(
        self,
        schedule: UUID | Schedule,
        since: datetime,
        until: datetime,
        *,
        flow: str | None = None,
        parallel: int = 1,
        newest_first: bool = False,
        skip: Skip = "succeeded",
        parameters: Mapping[str, Any] | None = None,
        priority: int = -1,
    ) -> backfills.Backfill:
        """Runs the firings from `since` to `until`, both included, `parallel` at a time."""
        request = self._request(
            schedule, since, until, flow, newest_first, skip, parameters, parallel, priority
        )
        return self._connection.call(operations.create_backfill, request)

    def read(self, backfill_id: UUID) -> backfills.Backfill:
        """One, with its runs counted by state."""
        return self._connection.call(operations.read_backfill, backfills.BackfillRef(backfill_id=backfill_id))

    def list(self, *, flow: str | None = None) -> Iterator[backfills.Backfill]:
        """Newest first."""
        flow_id = None if flow is None else flow_names.find(self._connection, flow).id
        return self._connection.pages(operations.list_backfills, backfills.ListBackfills(flow_id=flow_id))

    def cancel(self, backfill_id: UUID) -> backfills.Backfill:
        """Makes no more runs, and cancels those that have not ended."""
        return self._connection.call(
            operations.cancel_backfill, backfills.BackfillRef(backfill_id=backfill_id)
        )

    def _request(
        self,
        schedule: UUID | Schedule,
        since: datetime,
        until: datetime,
        flow: str | None,
        newest_first: bool,
        skip: Skip,
        parameters: Mapping[str, Any] | None,
        parallel: int = 1,
        priority: int = -1,
    ) -> backfills.CreateBackfill:
        return backfills.CreateBackfill(
            schedule_id=schedule if isinstance(schedule, UUID) else None,
            schedule=schedule if isinstance(schedule, Schedule) else None,
            flow_id=None if flow is None else flow_names.find(self._connection, flow).id,
            since=since,
            until=until,
            parallel=parallel,
            newest_first=newest_first,
            skip=skip,
            parameters=dict(parameters or {}),
            priority=priority,
        )
