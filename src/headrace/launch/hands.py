"""The runs that an agent has in hand: launched and written down, watched, and reported when they end without a word.

One thread watches, others may launch and end. What concludes a run works in the background, for the server may be away.
"""

import contextlib
import dataclasses
import logging
import os
import queue
import selectors
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import UUID

from headrace import client, errors, launch
from headrace.launch import journal as journals
from headrace.launch import outputs
from headrace.wire import agents, operations, runs

logger = logging.getLogger("headrace.agent")

#: A final report that has left the run process may arrive after the process has ended: for so long is it waited for.
SETTLE_SECONDS = 5.0
#: Where an end cannot be waited for, it is looked for this often.
LOOK_SECONDS = 0.5
#: What a launcher cannot do, because what it works with is away, is tried again after so long.
AGAIN_SECONDS = 2.0
#: Seconds for telling the server how far a launch is; nothing depends on it.
SHOW_SECONDS = 5.0
#: For so long a report is sent again to a server that does not answer.
PATIENCE = 24 * 3600.0


T = TypeVar("T")


class _Told(NamedTuple):
    """What the server is told of a run's end."""

    report: runs.ReportExit | runs.ReleaseFlowRun | None


@dataclasses.dataclass(eq=False)
class Hand:
    """One run in hand. What can be read from `descriptor` tells of a change; `shown` is what the server was told of its launch."""

    entry: journals.Entry
    descriptor: int | None = None
    shown: tuple[str, str] = ("", "")
    launching: bool = True
    #: Within which time it is to end, when it is.
    grace: timedelta | None = None
    concluding: bool = False


class Hands:
    """All runs in hand of one agent, below its `folder`."""

    def __init__(self, launcher: launch.Launcher, folder: Path, api: client.Client) -> None:
        self.directory = folder / "runs"
        self._launcher = launcher
        self._client = api
        self._journal = journals.Journal(folder / "journal")
        self._outputs = outputs.Outputs(folder / "output")
        #: By run and fence: the end of one attempt may still be reported when the next one is here.
        self._hands: dict[str, Hand] = {}
        #: Names of those that are on their way here.
        self._expected: set[str] = set()
        #: Those whose end cannot be waited for, and is looked for.
        self._looked_at: set[Hand] = set()
        self._changed = threading.Condition()
        self._settled = threading.Event()
        self._started: queue.SimpleQueue[Hand] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._wake, self._poke = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._poke, False)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._expected.union(self._hands))

    def __contains__(self, key: object) -> bool:
        return key in self._hands or key in self._expected

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected.union(self._hands))

    def listed(self) -> list[agents.RunInHand]:
        entries = [hand.entry for hand in list(self._hands.values())]
        return [agents.RunInHand(flow_run_id=entry.flow_run_id, fence=entry.fence) for entry in entries]

    def wait_until(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """Waits for the condition, which is looked at when a run has ended and when `poke` is called."""
        with self._changed:
            self._changed.wait_for(condition, timeout)

    def poke(self) -> None:
        """Wakes who waits here."""
        with self._changed:
            self._changed.notify_all()
        self.wake()

    def wake(self) -> None:
        """Wakes the watch. Takes no lock, so that a signal's handler may call it."""
        # a full pipe wakes as well
        with contextlib.suppress(BlockingIOError):
            os.write(self._poke, b".")

    # --- beginning ---

    def adopt(self) -> None:
        """Finds what an earlier start of the agent has launched, and clears away what it did not come to launch."""
        for entry in self._journal.entries():
            hand = self._hands[entry.key] = Hand(entry, launching=False)
            self._started.put(hand)
        if self._hands:
            self.wake()
            logger.info("%s runs of an earlier start are taken over", len(self._hands))
        for path in self.directory.iterdir() if self.directory.exists() else ():
            if path.name not in self._hands:
                shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """Takes what was launched and is in nobody's hand, where its launcher knows enough of it, and removes the rest.

        Raises errors.LaunchError when that cannot be done now.
        """
        for found in self._launcher.found():
            if found.state.name not in self:
                self._take(found)
        self._launcher.clear(self)

    def _take(self, found: launch.Found) -> None:
        entry = journals.Entry(
            flow_run_id=found.flow_run_id, fence=found.fence, name=found.name, state=found.state
        )
        self._journal.write(entry, first=True)
        hand = self._hands[entry.key] = Hand(entry, launching=False)
        logger.info("the run %s of an earlier start has been found and is taken over", entry.name)
        self._started.put(hand)
        self.wake()

    def expect(self, key: str) -> None:
        """Keeps room for a run that is about to be launched."""
        self._expected.add(key)

    def dismiss(self, key: str) -> None:
        """It is here, or does not come."""
        self._expected.discard(key)
        self.poke()

    def launch(self, assignment: runs.Assignment, workload: launch.Workload) -> None:
        """Launches a claimed run; it is written down before it may begin. Raises errors.LaunchError in words."""
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
                    hand = self._hands[entry.key] = Hand(entry)
                hand.entry = entry
                self._show(hand, state.step, state.message)
                if hand.grace is not None:
                    break
        except (errors.LaunchError, OSError) as error:
            if hand is not None:
                self._in_background(self._forget, hand)
            if isinstance(error, errors.LaunchError):
                raise
            raise errors.LaunchError(
                f"the agent cannot write down what it launches ({error}): make room on its disk."
            ) from None
        assert hand is not None
        with self._changed:
            hand.launching = False
        if hand.grace is not None:
            self._stop(hand, hand.grace)
            return
        self._started.put(hand)
        self.wake()

    def _show(self, hand: Hand, step: str, message: str) -> None:
        """Tells the server how far a launch is, when that has changed."""
        if not step or hand.shown == (step, message):
            return
        hand.shown = (step, message)
        entry = hand.entry
        request = runs.AdvanceFlowRun(
            flow_run_id=entry.flow_run_id, fence=entry.fence, name=step, message=message
        )
        with contextlib.suppress(errors.HeadraceError):
            self._client.call(operations.advance_flow_run, request, timeout=SHOW_SECONDS, patience=0)

    # --- watching ---

    def watch(self) -> None:
        """Waits for something to happen, and sees to the runs that have ended. Nothing ticks where ends can be waited for."""
        for key, _ in self._selector.select(LOOK_SECONDS if self._looked_at else None):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            else:
                self._unfollow(key.data)
                # what is not yet its end is told by the next look
                self._look(key.data, follow=False)
        while not self._started.empty():
            self._look(self._started.get_nowait())
        for hand in list(self._looked_at):
            self._look(hand)

    def _look(self, hand: Hand, *, follow: bool = True) -> None:
        """Follows the run, or sees what it does now."""
        self._looked_at.discard(hand)
        if hand.concluding or (follow and self._follow(hand)):
            return
        state = hand.entry.state
        try:
            seen = self._launcher.observe(state)
        except errors.LaunchError:
            self._looked_at.add(hand)
            return
        is_over = seen.phase in (launch.Phase.EXITED, launch.Phase.GONE)
        # one that is adopted before it was launched will not begin by itself
        if is_over or (seen.phase is launch.Phase.PENDING and not state.handle):
            self._in_background(self._conclude, hand)
            return
        self._looked_at.add(hand)
        if seen.step and hand.shown != (seen.step, seen.reason):
            self._in_background(lambda hand: self._show(hand, seen.step, seen.reason), hand)

    def _follow(self, hand: Hand) -> bool:
        try:
            descriptor = self._launcher.follow(hand.entry.state)
        except errors.LaunchError:
            return False
        if descriptor is None:
            return False
        hand.descriptor = descriptor
        self._selector.register(descriptor, selectors.EVENT_READ, hand)
        return True

    def _unfollow(self, hand: Hand) -> None:
        descriptor, hand.descriptor = hand.descriptor, None
        if descriptor is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
            os.close(descriptor)

    # --- ending ---

    def end(self, flow_run_id: UUID, grace: timedelta) -> None:
        """Ends a run, in the background."""
        for hand in list(self._hands.values()):
            if hand.entry.flow_run_id == flow_run_id:
                self._begin_end(hand, grace)

    def end_all(self, grace: timedelta) -> None:
        """Ends all runs and waits until that has been reported."""
        for hand in list(self._hands.values()):
            self._begin_end(hand, grace)
        self.wait_until(lambda: not self._hands, grace.total_seconds() + 2 * SETTLE_SECONDS)

    def _begin_end(self, hand: Hand, grace: timedelta) -> None:
        with self._changed:
            if hand.grace is not None or hand.concluding:
                return
            hand.grace = grace
            launching = hand.launching
        logger.info("run %s is to be ended", hand.entry.name)
        # who launches it sees to it
        if not launching:
            self._in_background(lambda hand: self._stop(hand, grace), hand)

    def _stop(self, hand: Hand, grace: timedelta) -> None:
        self._until_done(lambda: self._launcher.stop(hand.entry.state, grace))
        self._conclude(hand)

    def _in_background(self, work: Callable[[Hand], None], hand: Hand) -> None:
        threading.Thread(
            target=work, args=(hand,), name=f"headrace-run-{hand.entry.key}", daemon=True
        ).start()

    def _until_done(self, work: Callable[[], T]) -> T | None:
        """Repeats what cannot be done now. None when this agent ends before: the next start of it finds the run again."""
        told = False
        while True:
            try:
                return work()
            except errors.LaunchError as error:
                if not told:
                    logger.warning("%s The agent tries again.", error.message)
                told = True
            if self._settled.wait(AGAIN_SECONDS):
                return None

    def _conclude(self, hand: Hand) -> None:
        """Reports a run's end, where the run process has not done so itself, and clears up. Once for each run."""
        with self._changed:
            if hand.concluding:
                return
            hand.concluding = True
        state = hand.entry.state
        told = self._until_done(lambda: self._report(hand))
        if told is None:
            return
        # of a killed supervisor something may be left
        self._until_done(lambda: self._launcher.stop(state, timedelta(0)))
        report = told.report
        if isinstance(report, runs.ReleaseFlowRun):
            self.release(report)
        elif report is not None:
            logger.info("run %s: %s", hand.entry.name, report.message)
            self.report(report)
        self._until_done(lambda: self._keep_output(hand))
        self._forget(hand)

    def _keep_output(self, hand: Hand) -> None:
        path = self._outputs.keep(hand.entry.key, self._launcher.logs(hand.entry.state).content)
        if path is not None:
            logger.info("run %s: what it wrote is in %s", hand.entry.name, path)

    def _report(self, hand: Hand) -> _Told:
        """What the server has to be told: nothing of a run that has told it itself."""
        run, fence, state = hand.entry.flow_run_id, hand.entry.fence, hand.entry.state
        seen = self._launcher.observe(state)
        if self._launcher.withdraw(state):
            if not state.handle:
                return _Told(
                    runs.ReleaseFlowRun(
                        flow_run_id=run,
                        fence=fence,
                        reason="the agent ended before it could launch the run",
                    )
                )
            return _Told(
                runs.ReportExit(
                    flow_run_id=run, fence=fence, launched=False, message=seen.reason, code=seen.code
                )
            )
        if seen.reported:
            return _Told(None)
        if seen.reporting:
            self._settled.wait(SETTLE_SECONDS)
        return _Told(
            runs.ReportExit(
                flow_run_id=run,
                fence=fence,
                exit_code=seen.exit_code,
                message=seen.reason,
                code=seen.code,
            )
        )

    def report(self, request: runs.ReportExit) -> None:
        """Until the server has heard it, or refuses it because it knows better."""
        try:
            self._client.call(operations.report_exit, request, patience=PATIENCE)
        except errors.HeadraceError as error:
            logger.warning("the end of run %s was not accepted: %s", request.flow_run_id, error.message)

    def release(self, request: runs.ReleaseFlowRun) -> None:
        """Gives a run back; where that does not arrive, its lease ends by itself."""
        with contextlib.suppress(errors.HeadraceError):
            self._client.call(operations.release_flow_run, request, timeout=5, patience=2)

    def _forget(self, hand: Hand) -> None:
        if self._until_done(lambda: self._launcher.forget(hand.entry.state) or True) is None:
            return
        self._journal.remove(hand.entry)
        with self._changed:
            self._hands.pop(hand.entry.key, None)
        self.poke()

    def close(self) -> None:
        """Lets go of the runs, which go on."""
        self._settled.set()
        for hand in self._hands.values():
            self._unfollow(hand)
        self._selector.close()
        self._launcher.close()
