"""The agent: asks the server for runs, launches each, watches it, and reports how it ended. It listens to nobody.

Three threads: one claims and launches, one shows that the agent lives, and the main one waits for the ends of its runs.
A run does not need its agent: it goes on when the agent ends, and the next agent of that name takes it over.
"""

import contextlib
import ctypes
import dataclasses
import fcntl
import logging
import os
import queue
import random
import re
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import msgspec

from headrace import client, errors, launch
from headrace.core import labels as core_labels
from headrace.core import leases
from headrace.launch import directory as run_directory
from headrace.launch import identity, plan, process
from headrace.launch import journal as journals
from headrace.launch import template as warm
from headrace.settings import Settings
from headrace.wire import agents, operations, runs

logger = logging.getLogger("headrace.agent")

#: Seconds that a claim is held by the server.
CLAIM_SECONDS = 30.0
#: A final report that has left the run process may arrive after the process has ended: for so long the agent waits.
SETTLE_SECONDS = 5.0
#: Seconds between two tries while the server does not answer, at most; after a refused key.
LONGEST_PAUSE = 30.0
REFUSED_PAUSE = 60.0
#: Where exits cannot be waited for, they are looked for this often.
LOOK_SECONDS = 0.5
#: Seconds for the last calls of an agent that ends.
LEAVE_SECONDS = 2.0
PATIENCE = 24 * 3600.0


@dataclasses.dataclass(eq=False)
class Hand:
    """A run that this agent holds. `fence` and launch state as the journal has them."""

    entry: journals.Entry
    pidfd: int | None = None
    #: It is being ended or concluded: its end is no news.
    concluding: bool = False


class Agent:
    """Asks for runs and launches them as processes of this machine.

    Arguments
    ---------
    settings: where the server is, the key, and the data folder.
    name: shown on the agents page, unique in its data folder; the host's name by default.
    labels, takes_unlabelled: which runs it takes.
    limit: how many runs at a time.
    stop_runs: end the runs when the agent ends. wait: end when the runs have ended. Else they are left running.
    launcher: what starts the runs; processes by default, forked from a warm template where that can be.
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
        launcher: process.ProcessLauncher | None = None,
        timing: leases.Timing | None = None,
    ) -> None:
        self._settings = settings
        self.name = name or socket.gethostname()
        self._labels = sorted({*core_labels.normalised(labels), socket.gethostname()})
        self._takes_unlabelled = takes_unlabelled
        self._limit = limit
        self._stop_runs = stop_runs
        self._wait = wait
        self._timing = timing or leases.Timing()
        self._timing.check()
        self._folder = settings.home / "agents" / _file_name(self.name)
        self._client = client.Client(settings=settings, patience=0)
        self._variables = dict(os.environ)
        base = plan.environment(settings.home, self._client.server_url, self._variables)
        self._template = warm.Template(base) if warm.is_available() else None
        self._launcher = launcher or process.ProcessLauncher(self._template)
        self._instance = uuid4().hex
        self._id: UUID | None = None
        self._hands: dict[UUID, Hand] = {}
        self._changed = threading.Condition()
        self._draining = threading.Event()
        self._leaving = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._news: queue.SimpleQueue[Hand | None] = queue.SimpleQueue()
        self._wake, self._poke = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._poke, False)

    # --- its life ---

    def run(self) -> int:
        """Works until it is told to stop (SIGTERM, SIGINT, `stop`). Raises errors.Conflict when its name is taken here."""
        with self._locked(), self._signals():
            _hide_from_runs()
            self._journal = journals.Journal(self._folder / "journal")
            if isinstance(self._launcher, process.ProcessLauncher) and self._template is not None:
                self._template.start()
            self._adopt()
            self._selector.register(self._wake, selectors.EVENT_READ)
            threads = [
                threading.Thread(target=work, name=f"headrace-{name}", daemon=True)
                for name, work in (("claims", self._claim_runs), ("heartbeat", self._show_life))
            ]
            if self._register():
                for thread in threads:
                    thread.start()
                self._watch()
            self._leave([thread for thread in threads if thread.ident is not None])
        return 0

    def stop(self) -> None:
        """From any thread, and from a signal's handler: take no more runs, and end."""
        self._draining.set()
        self._news.put(None)
        self._poked()

    def _poked(self) -> None:
        # a full pipe wakes as well
        with contextlib.suppress(BlockingIOError):
            os.write(self._poke, b".")

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
        before = [signal.signal(number, lambda number, frame: self._told()) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _told(self) -> None:
        """In a signal's handler: nothing that takes a lock."""
        self._news.put(None)
        self._poked()

    def _leave(self, threads: list[threading.Thread]) -> None:
        """The server hears that this agent takes nothing more; then what runs is ended, waited for or left."""
        self._draining.set()
        with self._changed:
            self._changed.notify_all()
        if self._id is not None:
            with contextlib.suppress(errors.HeadraceError):
                self._beat(LEAVE_SECONDS)
        for thread in threads:
            if thread.name == "headrace-claims":
                thread.join(LEAVE_SECONDS)
        if self._stop_runs:
            self._stop_all()
        left = len(self._hands)
        if left:
            logger.info("%s runs go on without this agent; start it again and it takes them over", left)
        self._leaving.set()
        if isinstance(self._launcher, process.ProcessLauncher):
            self._launcher.close()
        self._selector.close()
        for hand in self._hands.values():
            if hand.pidfd is not None:
                os.close(hand.pidfd)
        self._client.close()

    def _stop_all(self) -> None:
        for hand in list(self._hands.values()):
            self._in_background(self._end, hand)
        until = self._grace().total_seconds() + SETTLE_SECONDS
        with self._changed:
            self._changed.wait_for(lambda: not self._hands, until)

    def _grace(self) -> timedelta:
        """The supervisor needs the kill time; only then it is killed itself."""
        return self._timing.kill + timedelta(seconds=2)

    # --- the server ---

    def _register(self) -> bool:
        """Until the server knows this agent. False when it was told to stop before."""
        request = agents.RegisterAgent(
            name=self.name,
            instance=self._instance,
            labels=self._labels,
            takes_unlabelled=self._takes_unlabelled,
            launches=[self._launcher.kind],
            headrace_version=metadata.version("headrace"),
            host=socket.gethostname(),
        )
        patience = _Patience(self._draining)
        while not self._is_told():
            try:
                self._id = self._client.call(operations.register_agent, request).id
            except errors.HeadraceError as error:
                patience.after(error)
            else:
                logger.info("agent %s takes runs from %s", self.name, self._client.server_url)
                return True
        return False

    def _is_told(self) -> bool:
        """Whether it is to stop; hears of a signal also before the main thread watches."""
        while not self._draining.is_set() and not self._news.empty():
            news = self._news.get_nowait()
            if news is None:
                self._draining.set()
        return self._draining.is_set()

    def _show_life(self) -> None:
        patience = _Patience(self._leaving)
        every = self._timing.heartbeat.total_seconds()
        while not self._leaving.wait(every):
            try:
                orders = self._beat(15)
            except errors.NotFound:
                self._register()
            except errors.HeadraceError as error:
                patience.after(error, longest=every)
            else:
                patience.over()
                every = orders.heartbeat_seconds or every
                self._tear_down(orders.tear_down)

    def _beat(self, timeout: float) -> agents.AgentOrders:
        assert self._id is not None
        hands = [
            agents.RunInHand(flow_run_id=run, fence=hand.entry.fence)
            for run, hand in list(self._hands.items())
        ]
        request = agents.HeartbeatAgent(
            agent_id=self._id, instance=self._instance, runs=hands, draining=self._draining.is_set()
        )
        return self._client.call(operations.heartbeat_agent, request, timeout=timeout)

    def _tear_down(self, run_ids: list[UUID]) -> None:
        for run_id in run_ids:
            hand = self._hands.get(run_id)
            if hand is not None and not hand.concluding:
                logger.info("run %s is to be torn down", hand.entry.name)
                self._in_background(self._end, hand)

    def _in_background(self, work: Callable[[Hand], None], hand: Hand) -> None:
        threading.Thread(
            target=work, args=(hand,), name=f"headrace-run-{hand.entry.key}", daemon=True
        ).start()

    # --- claiming and launching ---

    def _claim_runs(self) -> None:
        patience = _Patience(self._draining)
        claim = self._folder / "claim"
        # an answer that was lost with an earlier start of this agent is given again
        request_id = claim.read_text() if claim.exists() else uuid4().hex
        while self._has_room():
            claim.write_text(request_id)
            assert self._id is not None
            request = runs.ClaimFlowRun(agent_id=self._id, wait_seconds=CLAIM_SECONDS)
            try:
                answer = self._client.call(
                    operations.claim_flow_run, request, request_id=request_id, timeout=CLAIM_SECONDS + 15
                )
            except errors.NotFound:
                self._register()
            except errors.HeadraceError as error:
                patience.after(error)
            else:
                patience.over()
                request_id = uuid4().hex
                if answer.assignment is not None:
                    self._take(answer.assignment)
        claim.unlink(missing_ok=True)

    def _has_room(self) -> bool:
        """Waits for room. False when the agent is to take nothing more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._draining.is_set() or self._limit is None or len(self._hands) < self._limit
            )
        return not self._draining.is_set()

    def _take(self, assignment: runs.Assignment) -> None:
        """Launches a claimed run; gives it back when the agent is to end."""
        if assignment.flow_run_id in self._hands:
            return
        if self._draining.is_set():
            self._release(assignment.flow_run_id, assignment.fence, "the agent is ending")
            return
        try:
            self._launch(assignment)
        except errors.LaunchError as error:
            logger.warning("run %s could not be launched: %s", assignment.name, error.message)
            self._in_background_report(
                runs.ReportExit(
                    flow_run_id=assignment.flow_run_id,
                    fence=assignment.fence,
                    launched=False,
                    message=error.message,
                )
            )

    def _launch(self, assignment: runs.Assignment) -> None:
        handover = run_directory.Handover(
            assignment=assignment, server_url=self._client.server_url, timing=self._timing
        )
        workload = plan.workload(handover, self._folder / "runs", self._settings.home, self._variables)
        hand: Hand | None = None
        try:
            for state in self._launcher.start(workload):
                entry = journals.Entry(
                    flow_run_id=assignment.flow_run_id,
                    fence=assignment.fence,
                    name=assignment.name,
                    state=state,
                )
                self._journal.write(entry, first=hand is None)
                if hand is None:
                    hand = self._hands[assignment.flow_run_id] = Hand(entry)
                hand.entry = entry
        except errors.LaunchError:
            if hand is not None:
                self._forget(hand)
            raise
        except OSError as error:
            if hand is not None:
                self._forget(hand)
            raise errors.LaunchError(
                f"the agent cannot write down what it launches ({error}): make room on its disk."
            ) from None
        assert hand is not None
        self._news.put(hand)
        self._poked()

    def _release(self, flow_run_id: UUID, fence: int, reason: str) -> None:
        request = runs.ReleaseFlowRun(flow_run_id=flow_run_id, fence=fence, reason=reason)
        with contextlib.suppress(errors.HeadraceError):
            self._client.call(operations.release_flow_run, request, timeout=5, patience=LEAVE_SECONDS)

    # --- watching ---

    def _adopt(self) -> None:
        """Finds what an earlier start of this agent has launched, and clears away what it did not come to launch."""
        for entry in self._journal.entries():
            hand = self._hands[entry.flow_run_id] = Hand(entry)
            self._news.put(hand)
        if self._hands:
            logger.info("%s runs of an earlier start are taken over", len(self._hands))
        known = {hand.entry.key for hand in self._hands.values()}
        folder = self._folder / "runs"
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    def _watch(self) -> None:
        """Until it is told to stop, and with `wait` until the runs have ended. Nothing ticks where pidfds are."""
        polls = not hasattr(os, "pidfd_open")
        while True:
            self._hear()
            if self._draining.is_set() and not (self._wait and self._hands):
                return
            for key, _ in self._selector.select(LOOK_SECONDS if polls else None):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                else:
                    self._ended(key.data)
            if polls:
                for hand in list(self._hands.values()):
                    if self._launcher.observe(hand.entry.state).phase in (
                        launch.Phase.EXITED,
                        launch.Phase.GONE,
                    ):
                        self._ended(hand)

    def _hear(self) -> None:
        while not self._news.empty():
            hand = self._news.get_nowait()
            if hand is None:
                self._draining.set()
            else:
                self._follow(hand)

    def _follow(self, hand: Hand) -> None:
        """Waits for the end of a run's supervisor, which need not be this process's child."""
        if not hasattr(os, "pidfd_open"):
            return
        pid = self._launcher.pid(hand.entry.state)
        try:
            hand.pidfd = os.pidfd_open(pid) if pid is not None else None
        except ProcessLookupError:
            hand.pidfd = None
        # between the look and the opening the process may have ended and its pid been given again
        if hand.pidfd is None or self._launcher.pid(hand.entry.state) != pid:
            self._ended(hand)
        else:
            self._selector.register(hand.pidfd, selectors.EVENT_READ, hand)

    def _ended(self, hand: Hand) -> None:
        if hand.pidfd is not None:
            self._selector.unregister(hand.pidfd)
            os.close(hand.pidfd)
            hand.pidfd = None
        if not hand.concluding:
            hand.concluding = True
            self._in_background(self._conclude, hand)

    def _end(self, hand: Hand) -> None:
        """On the server's order, or the agent's own: the watch hears of it as of any other end."""
        self._launcher.stop(hand.entry.state, self._grace())
        if self._leaving.is_set() or self._draining.is_set():
            hand.concluding = True
            self._conclude(hand)

    def _conclude(self, hand: Hand) -> None:
        """Reports a run's end, where the run process has not done so itself, and clears up."""
        entry = hand.entry
        directory = Path(entry.state.directory)
        seen = self._launcher.observe(entry.state)
        if run_directory.withdraw(directory):
            if "pid" not in entry.state.handle:
                self._release(
                    entry.flow_run_id, entry.fence, "the agent ended before it could launch the run"
                )
                self._forget(hand)
                return
            request = runs.ReportExit(
                flow_run_id=entry.flow_run_id, fence=entry.fence, launched=False, message=seen.reason
            )
        else:
            record = run_directory.read_exit(directory)
            if record is not None and record.reported:
                self._forget(hand)
                return
            if record is not None and record.reporting:
                self._leaving.wait(SETTLE_SECONDS)
            request = runs.ReportExit(
                flow_run_id=entry.flow_run_id,
                fence=entry.fence,
                exit_code=seen.exit_code,
                message=seen.reason,
            )
        # of a killed supervisor something may be left
        self._launcher.stop(entry.state, timedelta(0))
        logger.info("run %s: %s", entry.name, request.message)
        self._report(request)
        self._forget(hand)

    def _report(self, request: runs.ReportExit) -> None:
        """Until the server has heard it, or refuses it because it knows better."""
        try:
            self._client.call(operations.report_exit, request, patience=PATIENCE)
        except errors.HeadraceError as error:
            logger.warning("the end of run %s was not accepted: %s", request.flow_run_id, error.message)

    def _in_background_report(self, request: runs.ReportExit) -> None:
        threading.Thread(target=self._report, args=(request,), name="headrace-report", daemon=True).start()

    def _forget(self, hand: Hand) -> None:
        self._launcher.forget(hand.entry.state)
        self._journal.remove(hand.entry)
        with self._changed:
            if self._hands.get(hand.entry.flow_run_id) is hand:
                del self._hands[hand.entry.flow_run_id]
            self._changed.notify_all()
        self._poked()


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
