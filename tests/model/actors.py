"""The actors of the model: agents, and run processes with their supervisors.

A run process asks for its start, shows that it lives and ends itself by the engine's own code: `_RunProcess._start`,
`Heartbeat._work`, `Supervisor._beaten` and `Watch`. Each is a greenlet that stops where it would send a message or wait,
and goes on when the model says so. Agents are simpler than the real ones and no more careful.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
from greenlet import getcurrent, greenlet

from headrace import errors
from headrace.core import leases
from headrace.core.states import StateType
from headrace.engine import execute, heartbeat, supervisor
from headrace.wire import operations, runs
from model.invariants import Violation
from model.network import OK, Fate, Message

TIMING = leases.Timing()
#: The adversary's supervisor is paused for as long as it may be, and its run process dies as late as it may.
PAUSE, KILL = TIMING.pause.total_seconds(), TIMING.kill.total_seconds()
_WAIT = object()
_pids = itertools.count(100)


class Time:
    """The engine's clock: that of the world. Waiting is the model's to end."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.clock.now.timestamp()

    @staticmethod
    def sleep(seconds: float) -> None:
        getcurrent().parent.switch(_WAIT)


class _Waiting:
    """Stands for the events on which the engine's code waits: it stops there, and nobody sets them."""

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        return

    def wait(self, seconds: float) -> bool:
        getcurrent().parent.switch(_WAIT)
        return False


class Talk:
    """Code of the engine that talks to a server, one message at a time."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._greenlet = greenlet(work)
        self.parked: Any = _WAIT
        self.value: Any = None

    @property
    def ended(self) -> bool:
        return self._greenlet.dead

    def to_its_message(self) -> Any:
        """The message that it sends next; None when it has ended."""
        while not self.ended and self.parked is _WAIT:
            self._moved(self._greenlet.switch())
        return None if self.ended else self.parked

    def answer(self, answer: Any) -> None:
        self._moved(self._greenlet.switch(answer))

    def fail(self, error: Exception) -> None:
        self._moved(self._greenlet.throw(error))

    def _moved(self, parked: Any) -> None:
        if self.ended:
            self.value = parked
        else:
            self.parked = parked


class _Supervisor(supervisor.Supervisor):
    """The real one's judgement of heartbeats, without a process below it."""

    def __init__(self, process: "Process") -> None:
        self._watch = process.watch
        self._process = process

    def _end(self, reason: str) -> None:
        self._process.end(reason)


class Process:
    """A run process and its supervisor.

    Attributes
    ----------
    executing: user code runs. One that is frozen does not run.
    begun: user code has begun, in this process, at some time.
    ended: user code has come to its end by itself.
    gone: there is no process any more.
    """

    def __init__(self, world: Any, agent: "Agent", held: runs.Assignment) -> None:
        self._world = world
        self._agent = agent
        self.held = held
        self.pid = next(_pids)
        self.executing = self.begun = self.ended = self.gone = self.frozen = False
        self._ends_at: float | None = None
        self._report: Message | None = None
        self.watch = supervisor.Watch(timing=TIMING, reschedules=held.on_lost == "reschedule", timeout=None)
        self._supervisor = _Supervisor(self)
        runner = execute._RunProcess(
            held,
            Path(),
            self,  # type: ignore[arg-type] - it has a client's `call`
            SimpleNamespace(asked=_Waiting()),  # type: ignore[arg-type]
            lambda line: None,
            None,  # type: ignore[arg-type]
        )
        self._starting = Talk(runner._start)
        beat = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
        self._heart = heartbeat.Heartbeat(self, beat, TIMING, poke=lambda: None)  # type: ignore[arg-type]
        self._heart._stop = _Waiting()  # type: ignore[assignment]
        self._beating = Talk(self._heart._work)
        self._caller = world.as_.run(held.flow_run_id, held.fence)

    @property
    def run_id(self) -> UUID:
        return self.held.flow_run_id

    @property
    def working(self) -> bool:
        """User code runs now."""
        return self.executing and not self.frozen

    @property
    def asks(self) -> bool:
        """It has not been let start yet."""
        return not (self.begun or self.gone)

    def call(self, operation: Any, request: Any, *, request_id: str | None = None, **_: Any) -> Any:
        """The client of the engine's code: stops there until the answer is given."""
        if operation is operations.start_flow_run:
            request = msgspec.structs.replace(request, host="here", pid=self.pid)
        return getcurrent().parent.switch(Message(operation, request, self._caller, request_id))

    # --- steps ---

    def start(self, fate: Fate = OK, server: int = 0) -> None:
        """The next message until user code begins."""
        if not self.asks or self.frozen:
            return
        self._talk(self._starting, fate, server)
        if self._starting.ended and not self.gone:
            self._begin(self._starting.value)

    def beat(self, fate: Fate = OK, server: int = 0) -> None:
        """The next heartbeat."""
        if not self.begun or self.ended or self.gone or self.frozen:
            return
        self._talk(self._beating, fate, server)
        for beat in self._heart.taken():
            if not self.gone:
                self._supervisor._beaten(beat)

    def finish(self, type_: StateType = StateType.SUCCESS, fate: Fate = OK, server: int = 0) -> None:
        """User code comes to its end, and that is reported; asked again, the report is sent again."""
        if not self.begun or self.gone or self.frozen:
            return
        if self._report is None:
            self.executing, self.ended = False, True
            request = runs.FinishFlowRun(
                flow_run_id=self.run_id, fence=self.held.fence, type=type_, name=str(type_)
            )
            self._report = Message(operations.finish_flow_run, request, self._caller, self._world.new_id())
        try:
            answer = self._world.network.send(self._report, server, fate)
        except (errors.Unreachable, errors.Unavailable):
            return
        except errors.HeadraceError:
            self._vanish()
            return
        self._world.checker.acknowledged(self._report, answer)
        self.watch.reported = True
        self._vanish()

    def _talk(self, talk: Talk, fate: Fate, server: int) -> None:
        try:
            message = talk.to_its_message()
            if message is None:
                return
            try:
                answer = self._world.network.send(message, server, fate)
            except errors.HeadraceError as error:
                if not self.gone:
                    talk.fail(error)
            else:
                self._world.checker.acknowledged(message, answer)
                if not self.gone:
                    talk.answer(answer)
        except execute._Refused:
            self._vanish()

    def _begin(self, sent: float | None) -> None:
        if sent is None:
            self._vanish()
            return
        self.watch.started_at = self.watch.renewed_at = sent
        self.begun = self.executing = True
        self._world.checker.begins(self, self._world.processes)

    # --- what happens to it ---

    def tick(self) -> None:
        """Time has passed."""
        now = self._world.clock.now.timestamp()
        if self.gone or self.frozen:
            return
        if self._ends_at is None and self.begun and (reason := self.watch.reason_to_end(now)):
            self.watch.end(reason, now)
            self._ends_at = now + PAUSE + KILL
        if self._ends_at is not None and now >= self._ends_at:
            self._vanish()

    def end(self, reason: str) -> None:
        """Its supervisor ends it, in the time that this may take."""
        now = self._world.clock.now.timestamp()
        self.watch.end(reason, now)
        self._ends_at = min(self._ends_at or now + KILL, now + KILL)

    def kill(self) -> None:
        if not self.gone:
            self._vanish()

    def freeze(self) -> None:
        """It is stopped, with its supervisor."""
        self.frozen = not self.gone

    def thaw(self) -> None:
        """It goes on. Whose deadline has passed meanwhile is ended at once: only what it had sent still arrives."""
        if not self.frozen:
            return
        self.frozen = False
        if self.begun and self.watch.reason_to_end(self._world.clock.now.timestamp()):
            request = runs.FinishFlowRun(
                flow_run_id=self.run_id,
                fence=self.held.fence,
                type=StateType.SUCCESS,
                name="Success",
            )
            message = Message(operations.finish_flow_run, request, self._caller, self._world.new_id())
            self._world.network.late.append((message, 0))
            self._vanish()

    def _vanish(self) -> None:
        self.gone, self.executing = True, False
        if not self.watch.reported:
            self._agent.saw_end(self)

    def work_off(self) -> None:
        """It does all that it has to, and nothing goes wrong."""
        for _ in range(4):
            if self.asks:
                self.start()
        if self.begun and not self.gone:
            self.beat()
        self.finish()


class Agent:
    """An agent: it claims, launches, gives back, and tells how processes ended. Killed, it forgets all of it."""

    def __init__(self, world: Any, agent_id: UUID) -> None:
        self._world = world
        self.id = agent_id
        self.held: list[runs.Assignment] = []
        self.outbox: list[Message] = []
        self._claim: Message | None = None
        self._mine: set[int] = set()

    def claim(self, fate: Fate = OK, server: int = 0) -> runs.Assignment | None:
        """Asks for a run; when the answer was lost, again with the same request id."""
        if self._claim is None:
            request = runs.ClaimFlowRun(agent_id=self.id, wait_seconds=0)
            self._claim = Message(
                operations.claim_flow_run, request, self._world.as_.agent, self._world.new_id()
            )
        message = self._claim
        try:
            answer = self._world.network.send(message, server, fate)
        except (errors.Unreachable, errors.Unavailable):
            return None
        except errors.HeadraceError:
            self._claim = None
            return None
        self._claim = None
        if answer.assignment is not None:
            self.held.append(answer.assignment)
        return answer.assignment

    def launch(self, number: int = 0) -> Process | None:
        if not self.held:
            return None
        process = Process(self._world, self, self.held.pop(number % len(self.held)))
        self._mine.add(process.pid)
        self._world.processes.append(process)
        return process

    def launch_again(self, process: Process) -> Process:
        """The same assignment once more, as an agent might that was started again and replays its claim."""
        again = Process(self._world, self, process.held)
        self._mine.add(again.pid)
        self._world.processes.append(again)
        return again

    def advance(self, name: str, fate: Fate = OK, server: int = 0) -> None:
        for held in self.held[:1]:
            request = runs.AdvanceFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, name=name)
            self._world.ask(
                operations.advance_flow_run, request, self._world.as_.agent, server=server, fate=fate
            )

    def give_back(self, *, failed: bool, fate: Fate = OK, server: int = 0) -> None:
        """What it holds and has not launched: it cannot, or does not want to."""
        if not self.held:
            return
        held = self.held.pop()
        if failed:
            request: Any = runs.ReportExit(flow_run_id=held.flow_run_id, fence=held.fence, launched=False)
            operation: Any = operations.report_exit
        else:
            request = runs.ReleaseFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, reason="draining")
            operation = operations.release_flow_run
        self.outbox.append(Message(operation, request, self._world.as_.agent, self._world.new_id()))
        self.tell(fate, server)

    def saw_end(self, process: Process) -> None:
        if process.pid in self._mine:
            request = runs.ReportExit(flow_run_id=process.run_id, fence=process.held.fence, exit_code=-9)
            self.outbox.append(
                Message(operations.report_exit, request, self._world.as_.agent, self._world.new_id())
            )

    def tell(self, fate: Fate = OK, server: int = 0) -> None:
        """Sends the first of what it has to tell, until it is answered."""
        if not self.outbox:
            return
        message = self.outbox[0]
        try:
            answer = self._world.network.send(message, server, fate)
        except (errors.Unreachable, errors.Unavailable):
            return
        except errors.HeadraceError:
            self.outbox.remove(message)
            return
        self.outbox.remove(message)
        self._world.checker.acknowledged(message, answer)

    def kill(self) -> None:
        """It is started again and knows nothing; its processes live on, and nobody sees them end."""
        self.held, self.outbox, self._claim, self._mine = [], [], None, set()

    def work_off(self) -> None:
        while self.outbox:
            self.tell()
        while self.claim() is not None:
            self.launch()
            if len(self._world.processes) > 60:
                raise Violation("I11", "runs are claimed again and again")
        while self.held:
            self.launch()
