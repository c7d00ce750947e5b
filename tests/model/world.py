"""The model's world: real servers over a real database, agents and run processes as actors, and one virtual clock.

The servers are `server.app.build` over the database layer; only HTTP is left out, and answers are not held. On
PostgreSQL the two servers share nothing but the database. On SQLite, where a file has one server, they are two services
over one database: each with its own memory. Whatever anybody does is looked at afterwards by `invariants.Checker`.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from structures import digest, registration

from headrace import errors
from headrace.core import limits as core_limits
from headrace.core import schedules as core_schedules
from headrace.server import app, reports, tables
from headrace.server.leasing import Leasing
from headrace.server.loops import limits as limit_loop
from headrace.server.loops import reaper, scheduler
from headrace.settings import Settings
from headrace.web import handlers
from headrace.web.database import Database
from headrace.web.service import Service
from headrace.wire import agents as wire_agents
from headrace.wire import flows as wire_flows
from headrace.wire import limits, operations, runs
from headrace.wire import schedules as wire_schedules
from model import actors
from model.invariants import Act, Checker, Snapshot, Violation
from model.network import OK, DiedError, Fate, Message, Network
from running import Portal, Server, VirtualClock

T = TypeVar("T")

SERVERS = 2
AGENTS = 2
RETRIES = 1
#: Runs in one example: enough for every race, few enough to look at all of them after each step.
MOST_RUNS = 5
EVERY_MINUTE = core_schedules.every(timedelta(seconds=60))
#: Emptied before each example, in this order.
_MUTABLE = (
    *(tables.slots, tables.limits, tables.requests, tables.deliveries, tables.run_events, tables.flow_runs),
    *(tables.schedules, tables.loop_leases),
)
_START = datetime.fromisoformat("2026-11-22T12:00:07+00:00")


class World:
    """What the rules of the machine and the scenarios play with."""

    def __init__(
        self, databases: Sequence[Database], portal: Portal, clock: VirtualClock, home: Path
    ) -> None:
        """Two databases are two servers' own connections to one."""
        self._databases = databases
        self.portal = portal
        self.clock = clock
        self._settings = Settings(home=home)
        self.services = [self._build(number) for number in range(SERVERS)]
        self._prepare()
        self.unchecked: frozenset[str] = frozenset()
        self.steps = 0
        self.begin()

    # --- making it ---

    def _build(self, number: int) -> Service:
        database = self._databases[number % len(self._databases)]

        async def build() -> Service:
            return app.build(self._settings, database, secret=b"a secret of the tests, long enough")  # type: ignore[return-value]

        service = self.portal.run(build())
        service.part(Leasing).monotonic = lambda: self.clock.now.timestamp()
        return service

    def _prepare(self) -> None:
        server = Server(self.services[0], self.portal, self.clock)
        self.as_ = server.as_
        server.call(operations.create_project, wire_flows.CreateProject(name="sales"))
        self.flows = {
            mode: server.call(
                operations.register_flow,
                registration(
                    name=mode,
                    on_lost=mode,
                    retries=RETRIES,
                    structure_sha256=digest(mode),
                    code_sha256=digest(mode),
                ),
            ).flow_id
            for mode in ("crash", "reschedule")
        }
        self._agent_ids = [
            server.call(
                operations.register_agent,
                wire_agents.RegisterAgent(name=f"agent {number}", instance="1", launches=["local"]),
                self.as_.agent,
            ).id
            for number in range(AGENTS)
        ]

    def begin(self) -> None:
        """Everything as at first: no run, servers that have just been started, and long enough ago."""
        self.clock.now = _START

        def empty(connection: sa.Connection, now: datetime) -> None:
            for table in _MUTABLE:
                connection.execute(table.delete())
            connection.execute(tables.installation.update().values(scheduler_at=None))

        self.run(self._databases[0].write(empty))
        self.services = [self._build(number) for number in range(SERVERS)]
        self.network = Network(self)
        self.checker = Checker(retries=RETRIES, without=self.unchecked)
        self.agents = [actors.Agent(self, agent_id) for agent_id in self._agent_ids]
        self.processes: list[actors.Process] = []
        self.run_ids: list[UUID] = []
        self.suspects: list[list[UUID]] = [[] for _ in range(SERVERS)]
        self.looks: list[Any] = []
        self.schedule_id: UUID | None = None
        self._numbers = itertools.count(1)
        self.before = self.snapshot()
        self.pass_time(21)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.portal.run(coroutine)

    def restart_server(self, number: int) -> None:
        """It is killed and started again: what it had in memory is gone."""
        self.services[number] = self._build(number)

    def new_id(self) -> str:
        return f"request {next(self._numbers)}"

    # --- looking ---

    def snapshot(self) -> Snapshot:
        return self.run(self._databases[0].read(Snapshot.read))

    def observe(self, act: Act) -> None:
        """Whatever was done, all that must hold is looked at."""
        self.steps += 1
        before, self.before = self.before, self.snapshot()
        self.checker.check(before, self.before, act)

    def row(self, run_id: UUID) -> Any:
        return self.before.runs[run_id]

    # --- messages ---

    def perform(self, message: Message, server: int) -> Any:
        """A server does what a message asks for. Raises errors.HeadraceError, and Violation for any other failure."""
        service = self.services[server]
        act = Act(message.operation.name, message.run_id, message.fence, message.caller.kind)
        if message.operation is operations.heartbeat_flow_run:  # without the waiting around it
            request: Any = message.request
            doing = service.write(
                lambda call: reports.heartbeat_flow_run(call, request), caller=message.caller
            )
        else:
            doing = service.call(message.operation, message.request, message.caller, message.request_id)
        try:
            answer = self.run(doing)
        except (errors.HeadraceError, DiedError):
            self.observe(act)
            raise
        except Exception as error:
            raise Violation("I0", f"{message.operation.name} failed inside: {error!r}") from error
        self.observe(act)
        self.checker.answered(message, answer)
        return answer

    def ask(
        self,
        operation: operations.Operation[Any, Any],
        request: Any,
        caller: handlers.Caller | None = None,
        *,
        server: int = 0,
        fate: Fate = OK,
        request_id: str | None = None,
    ) -> Any:
        """The answer, or None where it is refused or lost."""
        message = Message(operation, request, caller or self.as_.administrator, request_id or self.new_id())
        try:
            answer = self.network.send(message, server, fate)
        except errors.HeadraceError:
            return None
        self.checker.acknowledged(message, answer)
        return answer

    # --- people ---

    def create(
        self, mode: str = "crash", *, key: str | None = None, server: int = 0, fate: Fate = OK
    ) -> UUID | None:
        """Somebody asks for a run, once or (with a key) perhaps again."""
        if len(self.run_ids) >= MOST_RUNS:
            return None
        request_id = self.new_id()
        name = f"{mode} {key}" if key else request_id
        request = runs.CreateFlowRun(flow_id=self.flows[mode], name=name, idempotency_key=key)
        answer = self.ask(
            operations.create_flow_run,
            request,
            self.as_.member,
            server=server,
            fate=fate,
            request_id=request_id,
        )
        if answer is None:  # whoever asked asks once more, as clients do
            answer = self.ask(
                operations.create_flow_run, request, self.as_.member, server=server, request_id=request_id
            )
        if answer is None:
            return None
        if answer.id not in self.run_ids:
            self.run_ids.append(answer.id)
        return answer.id

    def cancel(self, run_id: UUID, *, server: int = 0, fate: Fate = OK) -> Any:
        request = runs.CancelFlowRun(flow_run_id=run_id)
        return self.ask(operations.cancel_flow_run, request, self.as_.member, server=server, fate=fate)

    def resume(self, run_id: UUID, *, server: int = 0, fate: Fate = OK) -> Any:
        request = runs.ResumeFlowRun(flow_run_id=run_id)
        return self.ask(operations.resume_flow_run, request, self.as_.member, server=server, fate=fate)

    def limit(self, mode: str, size: int) -> Any:
        request = limits.CreateLimit(kind=core_limits.Kind.FLOW, what=f"sales/{mode}", size=size)
        return self.ask(operations.create_limit, request)

    def schedule(self) -> None:
        request = wire_schedules.CreateSchedule(flow_id=self.flows["reschedule"], schedule=EVERY_MINUTE)
        self.schedule_id = self.ask(operations.create_schedule, request).id

    def reschedule(self, active: bool, *, server: int = 0, fate: Fate = OK) -> None:
        request = wire_schedules.UpdateSchedule(schedule_id=self.schedule_id, active=active)
        self.ask(operations.update_schedule, request, server=server, fate=fate)

    # --- time, and what servers do by themselves ---

    def pass_time(self, seconds: int) -> None:
        """Each server's reaper is there all the time; whether it sweeps is the model's to say."""
        for _ in range(seconds):
            self.clock.advance(1)
            for service in self.services:
                service.part(Leasing).look(self.clock.now, reaper.EVERY)
            for process in self.processes:
                process.tick()

    def _loop(self, name: str, doing: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            done = self.run(doing())
        except (errors.Unavailable, DiedError):
            done = None
        except Exception as error:
            raise Violation("I0", f"the {name} failed inside: {error!r}") from error
        self.observe(Act(name, None, None, "system"))
        return done

    def sweep(self, server: int = 0) -> None:
        self._loop("reaper", lambda: reaper.run_once(self.services[server]))

    def suspect(self, server: int) -> None:
        """A server's reaper looks for suspects, and is held up before it takes them up."""
        service = self.services[server]
        if not service.part(Leasing).in_amnesty(self.clock.now):
            self.suspects[server], _ = self.run(reaper._page(service, UUID(int=0)))

    def sweep_suspects(self, server: int) -> None:
        """It goes on with what it had found."""
        found, self.suspects[server] = self.suspects[server], []
        service = self.services[server]
        for run_id in found:
            self._loop("reaper", lambda run_id=run_id: service.write(lambda call: reaper.sweep(call, run_id)))

    def race_sweep(self) -> None:
        """Both servers take up what both have found, at the same time."""
        for server in range(SERVERS):
            self.suspect(server)
        found = self.suspects
        self.suspects = [[] for _ in range(SERVERS)]

        async def both() -> None:
            await asyncio.gather(
                *(
                    self.services[server].write(lambda call, run_id=run_id: reaper.sweep(call, run_id))
                    for server in range(SERVERS)
                    for run_id in found[server]
                ),
                return_exceptions=True,
            )

        self._loop("reaper", both)

    def plan(self, server: int = 0) -> None:
        """A server's scheduler does all that is due."""
        if self.schedule_id is not None:
            self._loop("scheduler", lambda: scheduler.run_once(self.services[server]))

    def race_plan(self) -> None:
        """The schedulers of both servers at the same time."""
        if self.schedule_id is None:
            return

        async def both() -> None:
            await asyncio.gather(*(scheduler.run_once(service) for service in self.services))

        self._loop("scheduler", both)

    def let_go(self, server: int = 0) -> None:
        """The loop that lets runs go which wait for a limit."""
        self._loop("limits", lambda: limit_loop.run_once(self.services[server]))

    # --- the end ---

    def settle(self) -> None:
        """The faults stop: then every run ends, within a bound (I11)."""
        while self.network.late:
            self.network.deliver_late(0)
        for process in self.processes:
            process.thaw()
        if self.schedule_id is not None:
            self.reschedule(False)
        for patience in (0, 21, 21, 30, 30, 30, 30, 30, 30, 30):
            self.pass_time(patience)
            for _ in range(3):
                self._work_off()
                if not (left := self._unfinished()):
                    return
        states = ", ".join(
            f"{row.state_name} (attempt {row.attempt}, lease {row.lease_until})" for row in left
        )
        raise Violation("I11", f"nothing goes wrong any more, and these never end: {states}")

    def _unfinished(self) -> list[Any]:
        over = ("Success", "Failed", "Crashed", "Cancelled", "Paused")
        return [row for row in self.before.runs.values() if row.state_type not in over]

    def _work_off(self) -> None:
        for server in range(SERVERS):
            self.sweep(server)
        self.let_go()
        for agent in self.agents:
            agent.work_off()
        for process in [process for process in self.processes if not process.gone]:
            process.work_off()
        for agent in self.agents:
            agent.work_off()
