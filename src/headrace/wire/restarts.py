"""Re-runs: a new run of what an earlier one left undone, or is to do anew. The results of the rest are taken over."""

from typing import Any
from uuid import UUID

from headrace import wire
from headrace.wire import run_configs


class TaskPlace(wire.Message, frozen=True, kw_only=True):
    """A task of a run by its slug; with a `map_index` that one of its mapped children."""

    slug: str
    map_index: int | None = None


class RerunFlowRun(wire.Message, frozen=True, kw_only=True):
    """Run anew what did not succeed and all below it; `tasks` and all below them besides, or everything (`from_start`).

    `parameters` are those that change. `version` is a number, or 0 for the flow's current one; without it the run keeps
    its version. What else is not given is as it was for the run.
    """

    flow_run_id: UUID
    tasks: list[TaskPlace] = []
    from_start: bool = False
    parameters: dict[str, Any] = {}
    version: int | None = None
    name: str | None = None
    labels: list[str] | None = None
    run_config: run_configs.RunConfig | None = None
    log_level: str | None = None


class RerunTask(wire.Answer, frozen=True, kw_only=True):
    """What a re-run does with a task: how many of its task runs it runs, and of how many it takes the results over.

    `why` is the reason of those that run: start, chosen, changed, unfinished, parameter, not_kept, below, or resource;
    empty where none runs. `open`: its mapped children are not all known before it is run.
    """

    slug: str
    runs: int
    reused: int
    why: str
    open: bool


class RerunPreview(wire.Answer, frozen=True, kw_only=True):
    """What a re-run would do. Parameters and branches, which are worked out at no cost, are not counted.

    `notes` are sentences for people: what they should know before they go on.
    """

    flow_run_id: UUID
    version: int
    parameters: dict[str, Any]
    runs: int
    reused: int
    tasks: list[RerunTask]
    notes: list[str]
