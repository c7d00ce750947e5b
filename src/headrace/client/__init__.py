"""The client: `Client.call(operation, request)` and the methods people type.

What people do with runs and flows is a method of `Client`; each further noun has a class of its own beside this.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from headrace.client import flow_names
from headrace.client.artifacts import Artifacts
from headrace.client.audit import Audit
from headrace.client.backfills import Backfills
from headrace.client.bulk import Bulk
from headrace.client.connection import Connection, enter_run, inside, problem, within_run
from headrace.client.limits import Limits
from headrace.client.notifications import Notifications, Slas
from headrace.client.people import People
from headrace.client.schedules import Schedules
from headrace.client.variables import Variables
from headrace.client.versions import Versions
from headrace.wire import control, flows, logs, operations, restarts, run_configs, runs
from headrace.wire import versions as wire_versions

__all__ = ["Client", "enter_run", "inside", "problem", "within_run"]


class Client(Connection):
    """Speaks with a server; safe to share between threads, and to use in a forked child.

    What is not given comes from the settings: `server_url` and `api_key`. `patience` is how many seconds a call goes on
    trying while the server does not answer; 0 makes one try. Raises errors.Unreachable, errors.Unauthenticated and what
    the server says by its problems' codes.
    """

    # --- nouns of their own ---

    @property
    def artifacts(self) -> Artifacts:
        """What tasks have shown."""
        return Artifacts(self)

    @property
    def variables(self) -> Variables:
        """Named values that flows read."""
        return Variables(self)

    @property
    def limits(self) -> Limits:
        """How many runs and tasks go on at once."""
        return Limits(self)

    @property
    def notifications(self) -> Notifications:
        """Who is told of what."""
        return Notifications(self)

    @property
    def people(self) -> People:
        """Who may use this server."""
        return People(self)

    @property
    def slas(self) -> Slas:
        """What is promised of flows' runs."""
        return Slas(self)

    @property
    def schedules(self) -> Schedules:
        """When the runs of flows are made."""
        return Schedules(self)

    @property
    def audit(self) -> Audit:
        """The audit log."""
        return Audit(self)

    @property
    def backfills(self) -> Backfills:
        """Past firings of schedules, run as one."""
        return Backfills(self)

    @property
    def versions(self) -> Versions:
        """A flow's versions: compared, made current, deleted."""
        return Versions(self)

    @property
    def bulk(self) -> Bulk:
        """Things done with many runs at once."""
        return Bulk(self)

    # --- projects and flows ---

    def create_project(self, name: str, description: str = "") -> flows.Project:
        return self.call(operations.create_project, flows.CreateProject(name=name, description=description))

    def list_projects(self) -> Iterator[flows.Project]:
        return self.pages(operations.list_projects, flows.ListProjects())

    def list_flows(
        self, *, project: str | None = None, search: str | None = None, archived: bool = False
    ) -> Iterator[flows.Flow]:
        return self.pages(
            operations.list_flows, flows.ListFlows(project=project, search=search, archived=archived)
        )

    def find_flow(self, flow: str, project: str | None = None) -> flows.Flow:
        """The flow of this name; `flow` may be written "project/flow"."""
        return flow_names.find(self, flow, project)

    def archive_flow(self, flow: str, *, archived: bool = True) -> flows.Flow:
        """Hides it and stops its schedules, its history stays; `archived=False` brings it back."""
        request = wire_versions.ArchiveFlow(flow_id=self.find_flow(flow).id, archived=archived)
        return self.call(operations.archive_flow, request)

    def delete_flow(self, flow: str, *, confirm: str) -> wire_versions.Deletion:
        """Deletes a flow; its runs end, their history stays until retention. `confirm` repeats "project/flow"."""
        request = wire_versions.DeleteFlow(flow_id=self.find_flow(flow).id, confirm=confirm)
        return self.call(operations.delete_flow, request)

    def register_flow(self, request: flows.RegisterFlow) -> flows.Registered:
        return self.call(operations.register_flow, request, timeout=120)

    # --- flow runs ---

    def create_flow_run(
        self,
        *,
        project: str | None = None,
        flow: str = "",
        flow_id: UUID | None = None,
        version: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        scheduled_at: datetime | None = None,
        labels: Sequence[str] | None = None,
        run_config: run_configs.RunConfig | None = None,
        log_level: str = "INFO",
        idempotency_key: str | None = None,
        priority: int | None = None,
        slots: int | None = None,
    ) -> runs.FlowRun:
        """Asks for a run, now or at `scheduled_at`. What is not given comes from the flow's settings.

        Two calls with one `idempotency_key` make one run. Runs of a higher `priority` (−10 to 10) are claimed first;
        `slots` is how many slots it takes of each limit that it is under.
        """
        project, flow = ("", "") if flow_id else flow_names.read(self, flow, project)
        request = runs.CreateFlowRun(
            flow_id=flow_id,
            project=project,
            flow=flow,
            version=version,
            parameters=dict(parameters or {}),
            name=run_name,
            due_at=scheduled_at,
            labels=None if labels is None else list(labels),
            run_config=run_config,
            log_level=log_level,
            idempotency_key=idempotency_key,
            priority=priority,
            slots=slots,
        )
        return self.call(operations.create_flow_run, request)

    def read_flow_run(self, flow_run_id: UUID) -> runs.FlowRun:
        return self.call(operations.read_flow_run, runs.FlowRunRef(flow_run_id=flow_run_id))

    def list_flow_runs(
        self,
        *,
        project: str | None = None,
        flow_id: UUID | None = None,
        state: Sequence[str] = (),
        since: datetime | None = None,
        restarted_from: UUID | None = None,
    ) -> Iterator[runs.FlowRun]:
        """Flow runs, newest first, fetched a page at a time as they are read; `restarted_from`: the re-runs of that run."""
        request = runs.ListFlowRuns(
            project=project,
            flow_id=flow_id,
            state=list(state),
            since=since,
            restarted_from=restarted_from,
        )
        return self.pages(operations.list_flow_runs, request)

    def wait_for(self, run: runs.FlowRun | UUID, timeout: float | timedelta | None = None) -> runs.FlowRun:
        """The run once it is finished. Raises TimeoutError when that takes longer than `timeout` (seconds)."""
        flow_run_id = run if isinstance(run, UUID) else run.id
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        until = None if seconds is None else time.monotonic() + seconds
        pause = 0.05
        while True:
            found = self.read_flow_run(flow_run_id)
            if found.state.is_finished:
                return found
            if until is not None and time.monotonic() + pause > until:
                raise TimeoutError(f"run {found.name!r} is still {found.state.name} after {seconds:g} s")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def cancel_flow_run(self, flow_run_id: UUID, reason: str = "") -> runs.FlowRun:
        return self.call(
            operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=flow_run_id, reason=reason)
        )

    def pause_flow_run(
        self, flow_run_id: UUID, comment: str = "", *, seconds: float | None = None
    ) -> runs.FlowRun:
        """Pauses a run when its running tasks have ended; after `seconds` of pause it fails."""
        request = control.PauseFlowRun(flow_run_id=flow_run_id, comment=comment, seconds=seconds)
        return self.call(operations.pause_flow_run, request)

    def resume_flow_run(self, flow_run_id: UUID, comment: str = "") -> runs.FlowRun:
        """Approves a paused run: it goes on where it stopped."""
        request = runs.ResumeFlowRun(flow_run_id=flow_run_id, comment=comment)
        return self.call(operations.resume_flow_run, request)

    def reject_flow_run(self, flow_run_id: UUID, comment: str = "") -> runs.FlowRun:
        """Refuses what a paused run waits for: it ends as Cancelled."""
        request = control.RejectFlowRun(flow_run_id=flow_run_id, comment=comment)
        return self.call(operations.reject_flow_run, request)

    def mark_flow_run(self, flow_run_id: UUID, as_: control.Verdict, reason: str) -> runs.FlowRun:
        """Overrules a run: one that has not ended ends so; of one that has, it is shown beside the state."""
        request = control.MarkFlowRun(flow_run_id=flow_run_id, type=as_, reason=reason)
        return self.call(operations.mark_flow_run, request)

    def delete_flow_run(self, flow_run_id: UUID) -> None:
        """Deletes a finished run with all that was recorded of it."""
        self.call(operations.delete_flow_run, control.DeleteFlowRun(flow_run_id=flow_run_id))

    def rerun(
        self,
        run: runs.FlowRun | UUID,
        from_: Sequence[str | tuple[str, int]] = (),
        *,
        from_start: bool = False,
        parameters: Mapping[str, Any] | None = None,
        version: int | Literal["same", "current"] = "same",
        run_name: str | None = None,
        labels: Sequence[str] | None = None,
        run_config: run_configs.RunConfig | None = None,
        log_level: str | None = None,
    ) -> runs.FlowRun:
        """Runs a finished run again, as a new run that takes over what it can of the results.

        What did not succeed runs, and all below it; besides the tasks named in `from_` (a slug, or a slug and a map index),
        what is made of `parameters` that change, and all below those. `from_start` runs everything.
        """
        request = _rerun(run, from_, from_start, parameters, version)
        asked = msgspec.structs.replace(
            request,
            name=run_name,
            labels=None if labels is None else list(labels),
            run_config=run_config,
            log_level=log_level,
        )
        return self.call(operations.rerun_flow_run, asked)

    def preview_rerun(
        self,
        run: runs.FlowRun | UUID,
        from_: Sequence[str | tuple[str, int]] = (),
        *,
        from_start: bool = False,
        parameters: Mapping[str, Any] | None = None,
        version: int | Literal["same", "current"] = "same",
    ) -> restarts.RerunPreview:
        """What `rerun` would run, and what it would take over."""
        return self.call(operations.preview_rerun, _rerun(run, from_, from_start, parameters, version))

    def list_task_runs(
        self, flow_run_id: UUID, *, slug: str | None = None, state: Sequence[str] = ()
    ) -> Iterator[runs.TaskRun]:
        return self.pages(
            operations.list_task_runs,
            runs.ListTaskRuns(flow_run_id=flow_run_id, slug=slug, state=list(state)),
        )

    def list_logs(
        self,
        flow_run_id: UUID,
        *,
        level: int = 0,
        task: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
    ) -> Iterator[logs.LogLine]:
        """A run's log records in order of time, fetched a page at a time as they are read."""
        request = logs.ListLogs(flow_run_id=flow_run_id, level=level, task=task, search=search, since=since)
        return self.pages(operations.list_logs, request)

    def follow_logs(self, flow_run_id: UUID, *, level: int = 0) -> Iterator[logs.LogLine]:
        """A run's log records as they come, until the run is finished."""
        last, since, pause = -1, None, 0.1
        while True:
            finished = self.read_flow_run(flow_run_id).state.is_finished
            before = last
            for line in self.list_logs(flow_run_id, level=level, since=since):
                if line.number > last:
                    last, since = line.number, line.at
                    yield line
            if finished:
                return
            pause = 0.1 if last > before else min(1.0, pause * 1.5)
            time.sleep(pause)


def _rerun(
    run: runs.FlowRun | UUID,
    from_: Sequence[str | tuple[str, int]],
    from_start: bool,
    parameters: Mapping[str, Any] | None,
    version: int | Literal["same", "current"],
) -> restarts.RerunFlowRun:
    places = [(place, None) if isinstance(place, str) else place for place in from_]
    return restarts.RerunFlowRun(
        flow_run_id=run if isinstance(run, UUID) else run.id,
        tasks=[restarts.TaskPlace(slug=slug, map_index=index) for slug, index in places],
        from_start=from_start,
        parameters=dict(parameters or {}),
        version={"same": None, "current": 0}[version] if isinstance(version, str) else version,
    )
