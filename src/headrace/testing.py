"""For tests of flows: a server in this process, with a database of its own, and a clock that only the test moves.

Runs are executed as on an agent: each in a process of its own, from the content that was registered, and reported.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Generator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from headrace import client, errors, flows, settings
from headrace.core import leases, states
from headrace.launch import directory as run_directory
from headrace.launch import place, plan
from headrace.server import app, local, migrations
from headrace.server.loops import scheduler
from headrace.web import database as databases
from headrace.web import serving
from headrace.web.service import Service
from headrace.wire import agents, operations, runs

__all__ = ["Clock", "Portal", "Server", "server"]

T = TypeVar("T")

#: The project of flows that `Server.run` registers.
PROJECT = "tests"
_START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """The server's time. It stands still until it is moved."""

    def __init__(self, now: datetime = _START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, duration: timedelta | float) -> None:
        """By a duration, or by so many seconds."""
        self.now += duration if isinstance(duration, timedelta) else timedelta(seconds=duration)


class Portal:
    """An event loop on a thread of its own, so that tests read from top to bottom."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="headrace-testing", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """What the coroutine returns, run over there."""
        return self.start(coroutine).result(timeout)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """The same without waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self) -> None:
        """Ends what is left there, and the thread."""

        async def cancel_all() -> None:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await self.loop.shutdown_default_executor()

        self.run(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Server:
    """What `server()` gives.

    Attributes
    ----------
    client: speaks to it as its first administrator.
    clock: its time.
    url: where it answers.
    """

    def __init__(
        self,
        service: Service,
        portal: Portal,
        clock: Clock,
        folder: Path,
        url: str,
        keys: local.Local,
        labels: Iterable[str],
    ) -> None:
        self.client = client.Client(url, keys.user_key)
        self.clock = clock
        self.url = url
        self._service = service
        self._portal = portal
        self._folder = folder
        self._agent = client.Client(url, keys.agent_key)
        registration = agents.RegisterAgent(
            name="testing",
            instance=uuid4().hex,
            labels=[socket.gethostname(), *labels],
            launches=["local"],
        )
        self._agent_id = self._agent.call(operations.register_agent, registration).id

    def run(self, flow: flows.Flow[..., Any], /, **parameters: Any) -> runs.FlowRun:
        """Registers the flow in the project `tests`, makes a run of it, and executes that to its end."""
        with contextlib.suppress(errors.Conflict):
            self.client.create_project(PROJECT)
        flow.register(project=PROJECT, client=self.client)
        return self.execute(self.client.create_flow_run(flow=f"{PROJECT}/{flow.name}", parameters=parameters))

    def execute(self, run: runs.FlowRun) -> runs.FlowRun:
        """Executes a run, whoever made it, until it has ended or is paused. For a retry the clock moves on to its time.

        Other runs that are due are executed as well. Raises errors.HeadraceError with the reason where the run waits for
        something that time does not bring.
        """
        while True:
            found = self.client.read_flow_run(run.id)
            if found.state.is_finished or found.state.type is states.StateType.PAUSED:
                return found
            if self._execute_next() is not None:
                continue
            due = found.state.due_at or found.due_at
            if due <= self.clock.now:
                why = found.waits.sentence if found.waits else found.state.message
                raise errors.HeadraceError(
                    f"run {found.name!r} is {found.state.name} and does not go on: {why}"
                )
            self.advance(due - self.clock.now)

    def advance(self, duration: timedelta | float) -> list[runs.FlowRun]:
        """Lets time go by, and executes what comes due meanwhile, each run at its time. Answers those that were executed.

        Schedules make their runs as on a server that was up all the time.
        """
        until = self.clock.now + (
            duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        )
        executed: list[runs.FlowRun] = []
        while True:
            self._make_scheduled()
            while (run := self._execute_next()) is not None:
                executed.append(run)
            if self.clock.now == until:
                return executed
            coming = self.client.list_flow_runs(state=[states.StateType.SCHEDULED.value])
            due = [run.state.due_at or run.due_at for run in coming]
            following = min((at for at in due if at > self.clock.now), default=until)
            self._move(min(following, until))

    def _move(self, moment: datetime) -> None:
        """The scheduler looks a second before: a server that is up misses nothing."""
        before = moment - timedelta(seconds=1)
        if before > self.clock.now:
            self.clock.now = before
            self._make_scheduled()
        self.clock.now = moment

    def _make_scheduled(self) -> None:
        self._portal.run(scheduler.run_once(self._service))

    def close(self) -> None:
        self._agent.close()
        self.client.close()

    def _execute_next(self) -> runs.FlowRun | None:
        """What an agent does for one run; None when none is due."""
        request = runs.ClaimFlowRun(agent_id=self._agent_id, wait_seconds=0)
        assignment = self._agent.call(operations.claim_flow_run, request).assignment
        if assignment is None:
            return None
        handover = run_directory.Handover(assignment=assignment, server_url=self.url, timing=leases.Timing())
        ended = self._launch(handover)
        self._agent.call(operations.report_exit, ended)
        return self.client.read_flow_run(assignment.flow_run_id)

    def _launch(self, handover: run_directory.Handover) -> runs.ReportExit:
        assignment = handover.assignment
        whose: dict[str, Any] = {"flow_run_id": assignment.flow_run_id, "fence": assignment.fence}
        try:
            here = place.Place(folder=self._folder / "runs", home=self._folder, variables=os.environ)
            work = plan.workload(handover, here)
        except errors.LaunchError as error:
            return runs.ReportExit(**whose, launched=False, message=error.message)
        work.directory.mkdir(mode=0o700, parents=True)
        for name, content in work.files.items():
            (work.directory / name).write_bytes(content)
        done = subprocess.run(
            work.command,
            cwd=work.working_directory,
            env=work.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        record = run_directory.read_exit(work.directory)
        if record is None:
            return runs.ReportExit(**whose, exit_code=done.returncode, message=done.stderr[-2000:])
        return runs.ReportExit(**whose, exit_code=record.exit_code, message=record.reason)


@contextlib.contextmanager
def server(*, clock: Clock | None = None, labels: Iterable[str] = ()) -> Generator[Server]:
    """A server on a free port of this machine, with SQLite in a folder that is gone afterwards.

    While it is there `HEADRACE_HOME`, `HEADRACE_SERVER_URL` and `HEADRACE_API_KEY` point to it, so that `Client()` and
    `flow.register(project=…)` in the code under test reach it. It takes runs without labels, those of this machine, and
    those with the `labels` given. Nothing periodic runs in it but the schedules, and these when time moves.
    """
    time = Clock() if clock is None else clock
    portal = Portal()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="headrace-") as name,
            serving.listen("127.0.0.1", 0) as listener,
        ):
            folder = Path(name)
            with _serving(folder, listener, portal, time) as (service, keys):
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                own = {"HOME": str(folder), "SERVER_URL": url, "API_KEY": keys.user_key}
                with _environment({f"HEADRACE_{key}": value for key, value in own.items()}):
                    made = Server(service, portal, time, folder, url, keys, labels)
                    try:
                        yield made
                    finally:
                        made.close()
    finally:
        portal.close()


@contextlib.contextmanager
def _serving(
    folder: Path, listener: socket.socket, portal: Portal, clock: Clock
) -> Generator[tuple[Service, local.Local]]:
    """The server at work, and its keys."""
    known = settings.Settings(home=folder, port=listener.getsockname()[1])
    (folder / "server").mkdir(mode=0o700)
    database = databases.Database.open(known.database, clock=clock)
    readiness = serving.Readiness()

    async def begin() -> Service:
        return app.build(known, database)

    async def prepare() -> None:
        await database.start()
        await migrations.prepare(database)

    async def drain() -> None:
        service.drain()

    service = portal.run(begin())
    application = app.application(service, readiness)
    ready = threading.Event()
    running = portal.start(
        serving.serve(
            service, application, listener, duties=(), prepare=prepare, readiness=readiness, started=ready.set
        )
    )
    running.add_done_callback(lambda _: ready.set())
    ready.wait()
    if running.done():
        running.result()
    try:
        yield service, portal.run(service.write(local.provision))
    finally:
        portal.run(drain())
        running.result(60)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
