"""The client's methods for many runs at once: `Client().bulk.cancel(flow="sales/daily", state=["Scheduled"])`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, Unpack

import msgspec

from headrace.client import flow_names
from headrace.client.connection import Connection
from headrace.wire import control, operations, runs

#: Runs in one batch; the server may take fewer.
BATCH = 100


class Which(TypedDict, total=False):
    """Conditions that the runs all meet; at least one is needed. `flow` is "project/flow"."""

    project: str | None
    flow: str | None
    state: Sequence[str]
    reason: Sequence[str]
    search: str | None
    since: datetime | None
    until: datetime | None


class Bulk:
    """Does something with all runs that meet the conditions, and with which it can be done, batch by batch.

    The answer sums the batches up: how many runs were there, with how many it was done, and why not with the others.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, action: control.Action, **which: Unpack[Which]) -> control.BulkDone:
        """With how many runs an action would be done, by state. Nothing is done."""
        # what they would be marked as is not counted by
        request = control.BulkFlowRuns(
            action=action, where=self._where(which), mark_as="Failed", reason="counted", dry_run=True
        )
        return self._connection.call(operations.bulk_flow_runs, request)

    def cancel(self, why: str = "", **which: Unpack[Which]) -> control.BulkDone:
        """What has not started ends at once; what runs is told to stop."""
        return self._all(control.BulkFlowRuns(action="cancel", where=self._where(which), reason=why))

    def resume(self, comment: str = "", **which: Unpack[Which]) -> control.BulkDone:
        """Approves paused runs."""
        return self._all(control.BulkFlowRuns(action="resume", where=self._where(which), reason=comment))

    def reject(self, comment: str = "", **which: Unpack[Which]) -> control.BulkDone:
        """Ends paused runs as Cancelled."""
        return self._all(control.BulkFlowRuns(action="reject", where=self._where(which), reason=comment))

    def mark(self, as_: control.Verdict, why: str, **which: Unpack[Which]) -> control.BulkDone:
        """Overrules runs."""
        request = control.BulkFlowRuns(action="mark", where=self._where(which), mark_as=as_, reason=why)
        return self._all(request)

    def rerun(self, **which: Unpack[Which]) -> control.BulkDone:
        """Runs again what failed, crashed or was cancelled."""
        return self._all(control.BulkFlowRuns(action="rerun", where=self._where(which)))

    def delete(self, **which: Unpack[Which]) -> control.BulkDone:
        """Deletes finished runs with all that was recorded of them."""
        return self._all(control.BulkFlowRuns(action="delete", where=self._where(which)))

    def _where(self, which: Which) -> runs.ListFlowRuns:
        flow_id = None
        if name := which.get("flow"):
            flow_id = flow_names.find(self._connection, name).id
        return runs.ListFlowRuns(
            project=which.get("project"),
            flow_id=flow_id,
            state=list(which.get("state", ())),
            reason=list(which.get("reason", ())),
            search=which.get("search"),
            since=which.get("since"),
            until=which.get("until"),
            limit=BATCH,
        )

    def _all(self, request: control.BulkFlowRuns) -> control.BulkDone:
        states: Counter[str] = Counter()
        found: list[control.BulkDone] = []
        while True:
            found.append(self._connection.call(operations.bulk_flow_runs, request))
            states.update(found[-1].states)
            if found[-1].next is None:
                break
            where = msgspec.structs.replace(request.where, after=found[-1].next)
            request = msgspec.structs.replace(request, where=where)
        return control.BulkDone(
            matched=sum(batch.matched for batch in found),
            states=dict(states),
            done=sum(batch.done for batch in found),
            failed=[problem for batch in found for problem in batch.failed],
            made=[made for batch in found for made in batch.made],
        )
