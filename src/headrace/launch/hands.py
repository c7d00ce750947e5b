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
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from headrace import client, errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import journal as journals
from headrace.launch import process
from headrace.wire import agents, operations, runs

logger = logging.getLogger("headrace.agent")

#: A final report that has left the run process may arrive after the process has ended: for so long is it waited for.
SETTLE_SECONDS = 5.0
#: Where exits cannot be waited for, they are looked for this often.
LOOK_SECONDS = 0.5
#: For so long a report is sent again to a server that does not answer.
PATIENCE = 24 * 3600.0


@dataclasses.dataclass(eq=False)
class Hand:
    """One run in hand. `pidfd` tells the end of its supervisor."""

    entry: journals.Entry
    pidfd: int | None = None
    ending: bool = False
    concluding: bool = False


class Hands:
    """All runs in hand of one agent, below its `folder`."""

    def __init__(self, launcher: process.ProcessLauncher, folder: Path, api: client.Client) -> None:
        self.directory = folder / "runs"
        self._launcher = launcher
        self._client = api
        self._journal = journals.Journal(folder / "journal")
        #: By run and fence: the end of one attempt may still be reported when the next one is here.
        self._hands: dict[str, Hand] = {}
        self._changed = threading.Condition()
        self._settled = threading.Event()
        self._started: queue.SimpleQueue[Hand] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._wake, self._poke = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._poke, False)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._hands)

    def __contains__(self, key: str) -> bool:
        return key in self._hands

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
            hand = self._hands[entry.key] = Hand(entry)
            self._started.put(hand)
        if self._hands:
            self.wake()
            logger.info("%s runs of an earlier start are taken over", len(self._hands))
        for path in self.directory.iterdir() if self.directory.exists() else ():
            if path.name not in self._hands:
                shutil.rmtree(path, ignore_errors=True)

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
        except (errors.LaunchError, OSError) as error:
            if hand is not None:
                self._forget(hand)
            if isinstance(error, errors.LaunchError):
                raise
            raise errors.LaunchError(
                f"the agent cannot write down what it launches ({error}): make room on its disk."
            ) from None
        assert hand is not None
        self._started.put(hand)
        self.wake()

    # --- watching ---

    def watch(self) -> None:
        """Waits for something to happen, and sees to the runs that have ended. Nothing ticks where pidfds are."""
        polls = not hasattr(os, "pidfd_open")
        for key, _ in self._selector.select(LOOK_SECONDS if polls else None):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            else:
                self._ended(key.data)
        while not self._started.empty():
            self._follow(self._started.get_nowait())
        if polls:
            for hand in list(self._hands.values()):
                if self._launcher.observe(hand.entry.state).phase in (launch.Phase.EXITED, launch.Phase.GONE):
                    self._ended(hand)

    def _follow(self, hand: Hand) -> None:
        """Watches the run's supervisor, which need not be a child of this process."""
        if not hasattr(os, "pidfd_open"):
            return
        pid = self._launcher.pid(hand.entry.state)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                hand.pidfd = os.pidfd_open(pid)
        # between the look and the opening the process may have ended, and its pid been given again
        if hand.pidfd is None or self._launcher.pid(hand.entry.state) != pid:
            self._ended(hand)
        else:
            self._selector.register(hand.pidfd, selectors.EVENT_READ, hand)

    def _ended(self, hand: Hand) -> None:
        self._unfollow(hand)
        self._in_background(self._conclude, hand)

    def _unfollow(self, hand: Hand) -> None:
        pidfd, hand.pidfd = hand.pidfd, None
        if pidfd is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(pidfd)
            os.close(pidfd)

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
        if not hand.ending and not hand.concluding:
            hand.ending = True
            logger.info("run %s is to be ended", hand.entry.name)
            self._in_background(lambda hand: self._stop(hand, grace), hand)

    def _stop(self, hand: Hand, grace: timedelta) -> None:
        self._launcher.stop(hand.entry.state, grace)
        self._conclude(hand)

    def _in_background(self, work: Callable[[Hand], None], hand: Hand) -> None:
        threading.Thread(
            target=work, args=(hand,), name=f"headrace-run-{hand.entry.key}", daemon=True
        ).start()

    def _conclude(self, hand: Hand) -> None:
        """Reports a run's end, where the run process has not done so itself, and clears up. Once for each run."""
        with self._changed:
            if hand.concluding:
                return
            hand.concluding = True
        entry = hand.entry
        report = self._report(hand)
        # of a killed supervisor something may be left
        self._launcher.stop(entry.state, timedelta(0))
        if isinstance(report, runs.ReleaseFlowRun):
            self.release(report)
        elif report is not None:
            logger.info("run %s: %s", entry.name, report.message)
            self.report(report)
        self._forget(hand)

    def _report(self, hand: Hand) -> runs.ReportExit | runs.ReleaseFlowRun | None:
        """What the server has to be told: nothing of a run that has told it itself."""
        run, fence, state = hand.entry.flow_run_id, hand.entry.fence, hand.entry.state
        directory = Path(state.directory)
        seen = self._launcher.observe(state)
        if run_directory.withdraw(directory):
            if "pid" not in state.handle:
                return runs.ReleaseFlowRun(
                    flow_run_id=run, fence=fence, reason="the agent ended before it could launch the run"
                )
            return runs.ReportExit(flow_run_id=run, fence=fence, launched=False, message=seen.reason)
        record = run_directory.read_exit(directory)
        if record is not None and record.reported:
            return None
        if record is not None and record.reporting:
            self._settled.wait(SETTLE_SECONDS)
        return runs.ReportExit(flow_run_id=run, fence=fence, exit_code=seen.exit_code, message=seen.reason)

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
        self._launcher.forget(hand.entry.state)
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
