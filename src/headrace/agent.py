"""The agent: asks the server for runs, launches each, watches it, and reports how it ended. It listens to nobody.

Three threads: one claims and launches, one shows that the agent lives, and the main one waits for the ends of its runs.
What takes long to launch, as a container does whose image has to be pulled, gets a thread of its own.
A run does not need its agent: it goes on when the agent ends, and the next agent of that name takes it over.
"""

import contextlib
import ctypes
import fcntl
import logging
import os
import random
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from datetime import timedelta
from importlib import metadata
from typing import IO
from uuid import UUID, uuid4

from headrace import client, errors, launch, tracing
from headrace.core import labels as core_labels
from headrace.core import leases
from headrace.launch import directory as run_directory
from headrace.launch import hands, launchers, plan
from headrace.launch import place as places
from headrace.launch import policy as policies
from headrace.settings import Settings
from headrace.wire import agents, operations, runs

logger = logging.getLogger("headrace.agent")

#: Seconds that a claim is held by the server.
CLAIM_SECONDS = 30.0
#: The same, while an earlier claim may have been given a run that this agent has not heard of.
RECALL_SECONDS = 1.0
#: Seconds between two tries while the server does not answer, at most; after a refused key.
LONGEST_PAUSE = 30.0
REFUSED_PAUSE = 60.0
#: Seconds for the last heartbeat of an agent that ends; after it the server's answer to a held claim is empty, and one
#: that is already on its way arrives within the other.
LEAVE_SECONDS = 2.0
ARRIVE_SECONDS = 0.3
#: For so long an agent that cannot start anything claims nothing; then one run is told why, and the others go on waiting.
UNREADY_SECONDS = 10.0


class Agent:
    """Asks for runs and launches them: as processes of this machine, in containers, or in a cluster.

    Arguments
    ---------
    settings: where the server is, the key, and the data folder.
    name: shown on the agents page, unique in its data folder; the host's name by default.
    labels, takes_unlabelled: which runs it takes.
    limit: how many runs at a time.
    stop_runs: end the runs when the agent ends. wait: end when the runs have ended. Else they are left running.
    launch: how: `process`, `docker` or `kubernetes`. launcher: what does it, where that is not made from the settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str | None = None,
        labels: Iterable[str] = (),
        takes_unlabelled: bool = True,
        limit: int | None = None,
        stop_runs: bool = False,
        wait: bool = False,
        launch: str = "process",
        launcher: launch.Launcher | None = None,
        timing: leases.Timing | None = None,
    ) -> None:
        self.name = name or socket.gethostname()
        self._labels = sorted({*core_labels.normalised(labels), socket.gethostname()})
        self._takes_unlabelled = takes_unlabelled
        self._limit = limit
        self._stop_runs = stop_runs
        self._wait = wait
        self._timing = timing or leases.timed(settings.timing)
        self._timing.check()
        self._folder = settings.home / "agents" / _file_name(self.name)
        self._client = client.Client(settings=settings, patience=0)
        self._place = places.Place(
            folder=self._folder / "runs",
            home=settings.home,
            variables=dict(os.environ),
            policy=policies.load(settings.agent_policy),
        )
        self._type = launch
        self._launcher = launcher or launchers.make(
            launch, self._place, name=self.name, server_url=self._client.server_url, timing=self._timing
        )
        #: One run has been told why nothing can be started; cleared when something can.
        self._told_why = False
        self._instance = uuid4().hex
        self._id: UUID | None = None
        self._hands: hands.Hands | None = None
        # set by a signal's handler, so that it must not be anything with a lock
        self._told = False
        self._draining = threading.Event()
        self._left = threading.Event()

    # --- its life ---

    def run(self) -> int:
        """Works until it is told to stop (SIGTERM, SIGINT, `stop`). Raises errors.Conflict when its name is taken here."""
        with self._locked():
            _hide_from_runs()
            held = self._hands = hands.Hands(self._launcher, self._folder, self._client)
            with self._signals():
                held.adopt()
                self._launcher.warm_up()
                threads = [self._thread(self._claim_runs), self._thread(self._show_life)]
                while not self._told or (self._wait and len(held)):
                    held.watch()
                    if self._told:
                        self._drain()
                self._leave(held, threads)
        return 0

    def stop(self) -> None:
        """From any thread: take no more runs, and end."""
        self._told = True
        if self._hands is not None:
            self._hands.wake()

    def _thread(self, work: Callable[[hands.Hands], None]) -> threading.Thread:
        assert self._hands is not None
        thread = threading.Thread(
            target=work, args=(self._hands,), name=f"headrace-{work.__name__.strip('_')}", daemon=True
        )
        thread.start()
        return thread

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """One agent of a name in a data folder: two would adopt each other's runs."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.Conflict(_taken(self.name, file)) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, lambda number, frame: self.stop()) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _drain(self) -> None:
        """The server hears, once, that this agent takes nothing more, and gives the claim that it holds an empty answer."""
        if self._draining.is_set():
            return
        self._draining.set()
        assert self._hands is not None
        self._hands.poke()
        with contextlib.suppress(errors.HeadraceError):
            self._beat(self._hands, LEAVE_SECONDS)

    def _leave(self, held: hands.Hands, threads: list[threading.Thread]) -> None:
        """What runs is ended, or left."""
        for thread in threads[:1]:
            thread.join(ARRIVE_SECONDS)
        if self._stop_runs:
            held.end_all(self._grace())
        if len(held):
            logger.info("%s runs go on without this agent; start it again and it takes them over", len(held))
        self._left.set()
        held.close()
        self._client.close()

    def _grace(self) -> timedelta:
        """The supervisor needs the kill time; only then it is killed itself."""
        return self._timing.kill + timedelta(seconds=2)

    # --- the server ---

    def _register(self) -> bool:
        """Until the server knows this agent. False when it was told to stop before."""
        request = agents.RegisterAgent(
            name=self.name,
            type=self._type,
            instance=self._instance,
            labels=self._labels,
            takes_unlabelled=self._takes_unlabelled,
            launches=[self._launcher.kind],
            headrace_version=metadata.version("headrace"),
            host=socket.gethostname(),
        )
        patience = _Patience(self._draining)
        while not self._draining.is_set():
            try:
                self._id = self._client.call(operations.register_agent, request).id
            except errors.HeadraceError as error:
                patience.after(error)
            else:
                patience.over()
                logger.info("agent %s takes runs from %s", self.name, self._client.server_url)
                return True
        return False

    def _show_life(self, held: hands.Hands) -> None:
        patience = _Patience(self._left)
        every = self._timing.heartbeat.total_seconds()
        while not self._left.wait(every):
            try:
                orders = self._beat(held, 15)
            except errors.HeadraceError as error:
                # one that the server does not know registers itself again by its next claim
                if not isinstance(error, errors.NotFound):
                    patience.after(error, longest=every)
                continue
            if orders is not None:
                patience.over()
                every = orders.heartbeat_seconds or every
                for run_id in orders.tear_down:
                    held.end(run_id, self._grace())

    def _beat(self, held: hands.Hands, timeout: float) -> agents.AgentOrders | None:
        if self._id is None:
            return None
        request = agents.HeartbeatAgent(
            agent_id=self._id, instance=self._instance, runs=held.listed(), draining=self._draining.is_set()
        )
        return self._client.call(operations.heartbeat_agent, request, timeout=timeout)

    # --- claiming and launching ---

    def _claim_runs(self, held: hands.Hands) -> None:
        patience = _Patience(self._draining)
        claim = self._folder / "claim"
        request_id, lost_until = uuid4().hex, 0.0
        if claim.exists():
            request_id, lost_until = claim.read_text(), time.monotonic() + CLAIM_SECONDS
        clearing = threading.Thread(target=self._clear, args=(held,), name="headrace-clear", daemon=True)
        clearing.start()
        while self._has_room(held) and (self._id is not None or self._register()) and self._is_ready():
            assert self._id is not None
            claim.write_text(request_id)
            # A claim whose connection broke, or whose agent was killed, may still be held and be given a run. A request
            # of the same id gets that run: so it is asked for in short steps until the server must have let go of the
            # lost claim.
            is_lost = time.monotonic() < lost_until
            wait = RECALL_SECONDS if is_lost else CLAIM_SECONDS
            request = runs.ClaimFlowRun(agent_id=self._id, wait_seconds=wait)
            try:
                answer = self._client.call(
                    operations.claim_flow_run, request, request_id=request_id, timeout=wait + 15
                )
            except errors.NotFound:
                self._id = None
            except (errors.Invalid, errors.Conflict) as error:
                # this id will never be answered
                request_id, lost_until = uuid4().hex, 0.0
                patience.after(error)
            except errors.HeadraceError as error:
                lost_until = time.monotonic() + CLAIM_SECONDS + 1
                patience.after(error)
            else:
                patience.over()
                if answer.assignment is not None or not is_lost:
                    request_id, lost_until = uuid4().hex, 0.0
                    # Before the launch, which takes a while: an agent that was killed in it finds the run's directory.
                    # Of this id it would ask in vain, and a minute for nothing else.
                    claim.unlink(missing_ok=True)
                if answer.assignment is not None:
                    self._take(held, answer.assignment)
        claim.unlink(missing_ok=True)

    def _has_room(self, held: hands.Hands) -> bool:
        """Waits for room. False when the agent is to take nothing more."""
        held.wait_until(lambda: self._draining.is_set() or self._limit is None or len(held) < self._limit)
        return not self._draining.is_set()

    def _is_ready(self) -> bool:
        """Waits until something can be started. False when the agent is to end.

        When that lasts, one run is claimed nevertheless, and ends with the reason: for people look at their runs.
        """
        while not self._draining.is_set():
            why = self._launcher.await_readiness(UNREADY_SECONDS)
            if not why:
                self._told_why = False
                return True
            if not self._told_why:
                logger.error("%s No further run is taken until that is over.", why)
                self._told_why = True
                return True
        return False

    def _clear(self, held: hands.Hands) -> None:
        """Removes what an earlier start of this agent has left, as soon as it can be seen."""
        while not self._left.is_set():
            try:
                held.clear()
                return
            except errors.LaunchError:
                self._left.wait(UNREADY_SECONDS)

    def _take(self, held: hands.Hands, assignment: runs.Assignment) -> None:
        """Launches a claimed run; gives it back when the agent is to end."""
        run, fence = assignment.flow_run_id, assignment.fence
        if plan.name_of(assignment) in held:
            return
        if self._draining.is_set():
            held.release(runs.ReleaseFlowRun(flow_run_id=run, fence=fence, reason="the agent is ending"))
            return
        if not self._launcher.is_slow:
            self._launch(held, assignment)
            return
        held.expect(plan.name_of(assignment))
        threading.Thread(
            target=self._launch, args=(held, assignment), name=f"headrace-launch-{run}", daemon=True
        ).start()

    def _launch(self, held: hands.Hands, assignment: runs.Assignment) -> None:
        """Launches a run, or reports why it cannot be launched."""
        run, fence = assignment.flow_run_id, assignment.fence
        handover = run_directory.Handover(
            assignment=assignment, server_url=self._client.server_url, timing=self._timing
        )
        try:
            with tracing.launch(run, fence, self.name):
                held.launch(assignment, plan.workload(handover, self._place, self._launcher.kind))
        except errors.LaunchError as error:
            logger.warning("run %s could not be launched: %s", assignment.name, error.message)
            failed = runs.ReportExit(
                flow_run_id=run, fence=fence, launched=False, message=error.message, code=error.reason
            )
            threading.Thread(target=held.report, args=(failed,), name="headrace-report", daemon=True).start()
        finally:
            held.dismiss(plan.name_of(assignment))


class _Patience:
    """The pauses of one thread while the server does not answer: longer each time, with full jitter, said once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._failures = 0

    def after(self, error: errors.HeadraceError, longest: float = LONGEST_PAUSE) -> None:
        """Waits before the next try."""
        self._failures += 1
        if isinstance(error, errors.Unauthenticated | errors.Forbidden):
            if self._failures == 1:
                logger.error(
                    "the server refuses this agent's key: %s It may be wrong, expired or revoked: make one with"
                    " `headrace key create` and start the agent with it (HEADRACE_API_KEY).",
                    error.message,
                )
            pause = random.uniform(REFUSED_PAUSE / 2, REFUSED_PAUSE)  # noqa: S311 - jitter, no secret
        else:
            if self._failures == 1:
                logger.warning("%s The agent goes on trying; runs that have begun go on.", error.message)
            pause = random.uniform(0.05, min(longest, 0.2 * 2 ** min(self._failures, 10)))  # noqa: S311 - jitter, no secret
            pause = max(pause, float(error.facts.get("retry_after", 0)))
        self._stop.wait(pause)

    def over(self) -> None:
        if self._failures:
            logger.info("the server answers again")
        self._failures = 0


def _file_name(name: str) -> str:
    """The name as a folder's: no separators, nothing hidden."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "agent"


def _taken(name: str, file: IO[str]) -> str:
    file.seek(0)
    pid = file.read().strip()
    return f"an agent named {name!r} runs already with this data folder (process {pid or 'unknown'}): stop it, or give this one another --name."


def _hide_from_runs() -> None:
    """On Linux: runs of the same user cannot read this process's memory or environment, where its key is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
