"""Flow runs, task runs, their states and what agents and run processes say about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from headrace import wire
from headrace.core import states
from headrace.wire import executors, run_configs, storage


class ResultRef(wire.Message, frozen=True, kw_only=True):
    """Where a value is, never the value. `location` is a path or URL, `size` bytes, `kind` the value's type name.

    Small values lie together in one file: `offset` is where this one begins there.
    """

    location: str
    size: int = 0
    kind: str = ""
    serializer: str = "pickle"
    offset: int | None = None


# --- asking for runs -------------------------------------------------------------------------------------------------


class CreateFlowRun(wire.Message, frozen=True, kw_only=True):
    """A run of a flow, by `flow_id` or by names; what is not given comes from the flow's settings.

    `version` is a number (None: the current one when the run is claimed). Runs of a higher `priority` are claimed first
    (−10 to 10); `slots` is how many slots it takes of each limit that it is under.
    """

    flow_id: UUID | None = None
    project: str = ""
    flow: str = ""
    version: int | None = None
    parameters: dict[str, Any] = {}
    name: str | None = None
    due_at: datetime | None = None
    labels: list[str] | None = None
    run_config: run_configs.RunConfig | None = None
    log_level: str = "INFO"
    idempotency_key: str | None = None
    priority: int | None = None
    slots: int | None = None


class FlowRunRef(wire.Message, frozen=True, kw_only=True):
    flow_run_id: UUID


class ListFlowRuns(wire.Message, frozen=True, kw_only=True):
    """Newest first. `state` holds state types, and also Late and Unreachable, which are derived; `reason` codes of states."""

    project: str | None = None
    flow_id: UUID | None = None
    agent_id: UUID | None = None
    schedule_id: UUID | None = None
    backfill_id: UUID | None = None
    restarted_from: UUID | None = None
    state: list[str] = []
    reason: list[str] = []
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    limit: int = 50


class Actor(wire.Answer, frozen=True, kw_only=True):
    """Who or what did something. `kind` is user, service_account, run, schedule or system."""

    kind: str
    name: str
    id: UUID | None = None


class Mark(wire.Answer, frozen=True, kw_only=True):
    """What somebody said of a run after its end: Success or Failed, shown beside its state."""

    type: states.StateType
    reason: str
    by: str
    at: datetime


class FlowRun(wire.Answer, frozen=True, kw_only=True):
    """A flow run. `waits` says why one that has not started waits; `late` and `unreachable` are derived, not stored."""

    id: UUID
    name: str
    flow_id: UUID
    flow: str
    project_id: UUID
    project: str
    version_id: UUID
    version: int
    state: states.State
    state_version: int
    fence: int
    attempt: int
    rescues: int
    waits: states.Reason | None
    late: bool
    unreachable: bool
    cancel_requested: bool
    labels: list[str]
    priority: int = 0
    slots: int = 1
    parameters: dict[str, Any]
    run_config: run_configs.RunConfig
    log_level: str
    on_lost: str
    created_at: datetime
    created_by: Actor
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    agent_id: UUID | None
    agent: str | None
    host: str | None
    pid: int | None
    parent_run_id: UUID | None
    schedule_id: UUID | None
    backfill_id: UUID | None
    restarted_from: UUID | None
    tasks: int
    task_states: dict[str, int]
    result: ResultRef | None
    #: Somebody has asked for a pause, and it goes on to the end of its running tasks.
    pausing: bool = False
    pause_ends_at: datetime | None = None
    mark: Mark | None = None


class RunEvent(wire.Answer, frozen=True, kw_only=True):
    """One entry of a run's history. `seq` counts without gaps from 0. `kind`: move, note, pause or mark."""

    seq: int
    at: datetime
    actor: Actor
    from_type: str | None
    state: states.State
    fence: int
    kind: str


class TaskRun(wire.Answer, frozen=True, kw_only=True):
    """One execution of a task (`map_index` −1: the task itself or the parent of mapped children)."""

    slug: str
    map_index: int
    state: states.State
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    children: dict[str, int]
    result: ResultRef | None


class ListTaskRuns(wire.Message, frozen=True, kw_only=True):
    """In order of start. Without `slug` mapped children are left out, with it they are all that is listed."""

    flow_run_id: UUID
    slug: str | None = None
    state: list[str] = []
    after: str | None = None
    limit: int = 500


class TaskRunRef(wire.Message, frozen=True, kw_only=True):
    flow_run_id: UUID
    slug: str
    map_index: int = -1


class TaskRunStates(wire.Answer, frozen=True, kw_only=True):
    """The history of one task run, oldest first."""

    task_run: TaskRun
    states: list[states.State]


class CancelFlowRun(wire.Message, frozen=True, kw_only=True):
    flow_run_id: UUID
    reason: str = ""


class ResumeFlowRun(wire.Message, frozen=True, kw_only=True):
    """Approve a paused run: it is scheduled again and goes on where it stopped."""

    flow_run_id: UUID
    comment: str = ""


# --- agents ----------------------------------------------------------------------------------------------------------


class ClaimFlowRun(wire.Message, frozen=True, kw_only=True):
    """Asks for one run; the answer is held up to `wait_seconds` until there is one. Labels and kinds are the agent's own."""

    agent_id: UUID
    wait_seconds: float = 30


class Assignment(wire.Answer, frozen=True, kw_only=True):
    """All that the launch of a claimed run needs, so that the agent asks nothing more. `token` is the run's own."""

    flow_run_id: UUID
    name: str
    project: str
    flow: str
    version: int
    fence: int
    attempt: int
    token: str
    lease_seconds: float
    storage: storage.Storage
    content_sha256: str
    run_config: run_configs.RunConfig
    executor: executors.Executor
    parameters: dict[str, Any]
    due_at: datetime
    log_level: str
    on_lost: str
    timeout_seconds: float | None
    #: There may be results that it need not compute again: earlier attempts, or the run that it is a re-run of, left them.
    resumed: bool


class Claimed(wire.Answer, frozen=True, kw_only=True):
    assignment: Assignment | None


class Orders(wire.Answer, frozen=True, kw_only=True):
    """What the server wants of whoever writes for a run. `cancel`: end it as Cancelled. `superseded`: stop, another took over.

    `pause`: start no further task, and end it as Paused when those that run have ended.
    """

    cancel: bool = False
    superseded: bool = False
    drain: bool = False
    pause: bool = False


class RunAnswer(wire.Answer, frozen=True, kw_only=True):
    """The answer to every move of a run: what it is now, who may act, until when.

    To a start: `limited_tags` are the tags whose tasks must ask for a slot before they run.
    """

    state: states.State
    version: int
    fence: int
    lease_seconds: float
    orders: Orders
    limited_tags: list[str] = []


class AdvanceFlowRun(wire.Message, frozen=True, kw_only=True):
    """An agent's progress before the start: `name` refines Submitted (Submitting, PullingImage, SettingUp, Starting)."""

    flow_run_id: UUID
    fence: int
    name: str
    message: str = ""


class ReleaseFlowRun(wire.Message, frozen=True, kw_only=True):
    """An agent gives a claimed run back before its start."""

    flow_run_id: UUID
    fence: int
    reason: str


class ReportExit(wire.Message, frozen=True, kw_only=True):
    """An agent saw the run's process end, or could not launch it (`launched` False). `exit_code` is negative for a signal.

    `code` is the reason, one of those in core/reasons.py, where the agent knows more than the exit code tells.
    """

    flow_run_id: UUID
    fence: int
    launched: bool = True
    exit_code: int | None = None
    message: str = ""
    code: str = ""


# --- run processes ---------------------------------------------------------------------------------------------------


class StartFlowRun(wire.Message, frozen=True, kw_only=True):
    """Asked before any user code: only after the answer may the content be unpickled."""

    flow_run_id: UUID
    fence: int
    content_sha256: str
    host: str
    pid: int


class HeartbeatFlowRun(wire.Message, frozen=True, kw_only=True):
    """The supervisor's sign of life; the answer is held until there is an order, at most a heartbeat's time.

    `running_seconds` is how long this attempt has been running, by the supervisor's own clock.
    """

    flow_run_id: UUID
    fence: int
    running_seconds: float | None = None


class FinishFlowRun(wire.Message, frozen=True, kw_only=True):
    """The final report: Success, Failed, Crashed, Cancelled or Paused. The server decides whether a Failed one is tried again.

    `code` is the reason, one of those in core/reasons.py. `pause_seconds`: after how long a pause ends by itself.
    """

    flow_run_id: UUID
    fence: int
    type: states.StateType
    pause_seconds: float | None = None
    name: str
    message: str = ""
    result: ResultRef | None = None
    code: str = ""


class TaskEvent(msgspec.Struct, frozen=True, array_like=True):
    """One state of one task run. Written as an array, for there are many. `seconds` is the time the user's code took."""

    slug: str
    map_index: int
    type: states.StateType
    name: str
    at: datetime
    message: str = ""
    attempt: int = 1
    due_at: datetime | None = None
    result: ResultRef | None = None


class WriteTaskEvents(wire.Message, frozen=True, kw_only=True):
    """Events number `seq`, `seq` + 1 … of this run and fence; those already known are passed over."""

    flow_run_id: UUID
    fence: int
    seq: int
    events: list[TaskEvent]


class LogRecord(msgspec.Struct, frozen=True, array_like=True):
    """One log record. `level` as in the standard library (20 is INFO); `task` is a slug."""

    at: datetime
    level: int
    logger: str
    message: str
    task: str | None = None
    map_index: int = -1


class WriteLogs(wire.Message, frozen=True, kw_only=True):
    """Records number `seq` … of this run and fence; those already known are passed over."""

    flow_run_id: UUID
    fence: int
    seq: int
    records: list[LogRecord]


class Written(wire.Answer, frozen=True, kw_only=True):
    """All before `next_seq` is kept."""

    next_seq: int
    orders: Orders


class ReadTaskResults(wire.Message, frozen=True, kw_only=True):
    """Where a run's earlier attempts, and the run that it is a re-run of, persisted their results: it reads them instead
    of working again.
    """

    flow_run_id: UUID
    fence: int


class TaskResult(wire.Answer, frozen=True, kw_only=True):
    """`origin` names the run that made it, where that is another one: then it counts also without a result."""

    slug: str
    map_index: int
    state: states.State
    result: ResultRef | None
    origin: str = ""


class TaskResults(wire.Answer, frozen=True, kw_only=True):
    items: list[TaskResult]
