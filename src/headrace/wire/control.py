"""What people do with runs that are there: pause, reject, mark, delete, and any of it with many at once."""

from typing import Literal
from uuid import UUID

from headrace import wire
from headrace.wire import runs

#: What can be done with many runs at once.
Action = Literal["cancel", "resume", "reject", "mark", "rerun", "delete"]
#: What a run can be marked as.
Verdict = Literal["Success", "Failed"]


class PauseFlowRun(wire.Message, frozen=True, kw_only=True):
    """Pause a running run when its running tasks have ended; `seconds`: after that time it ends as Failed (TimedOut)."""

    flow_run_id: UUID
    comment: str = ""
    seconds: float | None = None


class RejectFlowRun(wire.Message, frozen=True, kw_only=True):
    """Refuse what a paused run waits for: it ends as Cancelled."""

    flow_run_id: UUID
    comment: str = ""


class MarkFlowRun(wire.Message, frozen=True, kw_only=True):
    """Overrule a run. One that has not ended ends so; of one that has, the mark is shown beside its state."""

    flow_run_id: UUID
    type: Verdict
    reason: str


class DeleteFlowRun(wire.Message, frozen=True, kw_only=True):
    """Delete a finished run with its history, logs and task runs."""

    flow_run_id: UUID


class BulkFlowRuns(wire.Message, frozen=True, kw_only=True):
    """Do `action` with the runs that `where` finds, one batch of them: those it can be done with, newest first.

    `where.after` is the cursor of the answer before, `where.limit` the size of a batch. `dry_run` only counts. `reason`
    is kept with each run; `mark_as` is what `mark` marks them as.
    """

    action: Action
    where: runs.ListFlowRuns
    reason: str = ""
    mark_as: Verdict | None = None
    dry_run: bool = False


class BulkFailure(wire.Answer, frozen=True, kw_only=True):
    """A run with which it could not be done, and why."""

    flow_run_id: UUID
    name: str
    reason: str


class BulkDone(wire.Answer, frozen=True, kw_only=True):
    """What one batch came to. `matched` runs were there, by state in `states`; `done` of them were changed.

    `made` are the new runs of a re-run. The batches end when `next` is None.
    """

    matched: int
    states: dict[str, int]
    done: int = 0
    failed: list[BulkFailure] = []
    made: list[UUID] = []
    next: str | None = None
