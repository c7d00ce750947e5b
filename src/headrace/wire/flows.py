"""Projects, flows (the group that stays), versions, and the structure that registration sends: names, never code."""

from datetime import datetime
from typing import Any
from uuid import UUID

from headrace import wire
from headrace.core.schedules import Schedule
from headrace.wire import executors, run_configs, storage


class ParameterSpec(wire.Message, frozen=True, kw_only=True):
    """A named typed input of a flow. `schema` is JSON Schema; `default` counts only when not `required`."""

    name: str
    required: bool
    default: Any = None
    schema: dict[str, Any] = {}
    description: str = ""


class TaskSpec(wire.Message, frozen=True, kw_only=True):
    """A task as the server knows it. `kind` tells what drew it: task, parameter, case, merge, flow, resource, operator."""

    slug: str
    name: str
    kind: str = "task"
    tags: list[str] = []
    retries: int = 0
    retry_delay_seconds: float = 0
    timeout_seconds: float | None = None
    trigger: str = "all_successful"
    cache: str | None = None
    mapped: bool = False
    description: str = ""


class EdgeSpec(wire.Message, frozen=True, kw_only=True):
    """upstream → downstream (slugs). Without a `key` it orders and carries no data; `case` is the value a branch waits for."""

    upstream: str
    downstream: str
    key: str | None = None
    mapped: bool = False
    flattened: bool = False
    case: str | None = None


class Structure(wire.Message, frozen=True, kw_only=True):
    """All that the server learns of a flow. Digests are hexadecimal SHA-256 (see orchestration)."""

    name: str
    project: str
    tasks: list[TaskSpec]
    edges: list[EdgeSpec]
    parameters: list[ParameterSpec] = []
    reference_tasks: list[str] = []
    description: str = ""
    labels: list[str] = []
    run_config: run_configs.RunConfig = run_configs.LocalRun()
    executor: executors.Executor = executors.LocalExecutor()
    storage_kind: str = "local"
    schedules: list[Schedule] = []
    retries: int = 0
    retry_delay_seconds: float = 0
    timeout_seconds: float | None = None
    on_lost: str = "crash"
    lost_after_seconds: float | None = None
    structure_sha256: str
    code_sha256: str
    content_sha256: str


class RegisterFlow(wire.Message, frozen=True, kw_only=True):
    """`version` is the author's own word for the code, which replaces `code_sha256` where code has no stable digest."""

    structure: Structure
    storage: storage.Storage
    headrace_version: str = ""
    python_version: str = ""


class Registered(wire.Answer, frozen=True, kw_only=True):
    """`created` is False where nothing that makes a version had changed; `message` says so in words."""

    flow_id: UUID
    version_id: UUID
    version: int
    created: bool
    message: str
    url: str


class CreateProject(wire.Message, frozen=True, kw_only=True):
    name: str
    description: str = ""


class ListProjects(wire.Message, frozen=True, kw_only=True):
    after: str | None = None
    limit: int = 100


class DeleteProject(wire.Message, frozen=True, kw_only=True):
    """`confirm` repeats the project's name; without it the answer is a problem that says what would go."""

    project_id: UUID
    confirm: str = ""


class Project(wire.Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    description: str
    created_at: datetime
    flows: int
    runs: int


class FlowRef(wire.Message, frozen=True, kw_only=True):
    flow_id: UUID


class FindFlow(wire.Message, frozen=True, kw_only=True):
    """A flow by its names. `flow` may also be written "project/flow" with `project` left empty."""

    project: str = ""
    flow: str


class ListFlows(wire.Message, frozen=True, kw_only=True):
    project: str | None = None
    search: str | None = None
    archived: bool = False
    after: str | None = None
    limit: int = 50


class UpdateFlow(wire.Message, frozen=True, kw_only=True):
    """Settings of the group, which survive new versions. What is not given stays. `priority` and `slots` are what its
    runs have that are asked for without them.

    Of the last three 0 goes back to what holds without them. `late_after_seconds`: from when on a run that is due counts
    as late. `cancel_late_seconds`: after how long one that has not been started is cancelled. `lost_after_seconds`: after
    how long without contact a run is lost, for runs that are made from now on.
    """

    flow_id: UUID
    labels: list[str] | None = None
    default_parameters: dict[str, Any] | None = None
    paused: bool | None = None
    description: str | None = None
    priority: int | None = None
    slots: int | None = None
    late_after_seconds: float | None = None
    cancel_late_seconds: float | None = None
    lost_after_seconds: float | None = None


class RunDot(wire.Answer, frozen=True, kw_only=True):
    """One of a flow's last runs, for a strip of states."""

    id: UUID
    state: str
    seconds: float | None
    at: datetime


class Flow(wire.Answer, frozen=True, kw_only=True):
    """The group: all versions of (project, name). Settings made by people win over those of the version."""

    id: UUID
    project_id: UUID
    project: str
    name: str
    description: str
    current_version: int
    current_version_id: UUID
    versions: int
    labels: list[str]
    version_labels: list[str]
    default_parameters: dict[str, Any]
    paused: bool
    priority: int = 0
    slots: int = 1
    late_after_seconds: float | None = None
    cancel_late_seconds: float | None = None
    lost_after_seconds: float | None = None
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    last_runs: list[RunDot]
    success_rate: float | None
    median_seconds: float | None
    next_run_at: datetime | None


class ListVersions(wire.Message, frozen=True, kw_only=True):
    flow_id: UUID
    after: str | None = None
    limit: int = 50


class FlowVersion(wire.Answer, frozen=True, kw_only=True):
    """One version without its graph."""

    id: UUID
    flow_id: UUID
    number: int
    current: bool
    created_at: datetime
    created_by: str
    registered_at: datetime
    tasks: int
    code_sha256: str
    structure_sha256: str
    content_sha256: str
    storage: storage.Storage
    headrace_version: str
    python_version: str


class VersionRef(wire.Message, frozen=True, kw_only=True):
    version_id: UUID


class FlowStructure(wire.Answer, frozen=True, kw_only=True):
    """A version with its whole graph."""

    version: FlowVersion
    structure: Structure
