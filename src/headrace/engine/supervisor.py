"""The supervisor of a run: the process that holds one run process, and outlives agent and template.

It forks the run process before any user code is imported, shows the server that the run lives, ends it at the lease's
deadline (where the run may be started again elsewhere), on orders and at its timeout, kills whatever the run leaves
behind, and writes the exit record. It forks once, while it has one thread; only then the heartbeat gets a thread, so
that neither a hanging connection nor a slow name server can hold up the deadline.
"""

import contextlib
import dataclasses
import os
import selectors
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import msgspec

from headrace import client, errors
from headrace.core import leases, states
from headrace.engine import execute, heartbeat, pausing, processes
from headrace.launch import directory as run_directory
from headrace.launch import identity
from headrace.wire import operations, runs

#: Seconds past its timeout until a run that has not ended itself is told to.
TIMEOUT_RESERVE = 1.0


@dataclasses.dataclass(kw_only=True)
class Watch:
    """What the supervisor knows, in seconds of its monotonic clock, and what follows from it."""

    timing: leases.Timing
    reschedules: bool
    timeout: float | None
    started_at: float | None = None
    #: When the last acknowledged `start` or heartbeat was sent.
    renewed_at: float | None = None
    reporting: bool = False
    reported: bool = False
    #: Whether the run process has been told to pause.
    pausing: bool = False
    #: Why the run process is being ended, and when it is killed.
    ending: str = ""
    kill_at: float | None = None

    def reason_to_end(self, now: float) -> str:
        """Why the run process must end now, or nothing."""
        if self.ending or self.reported:
            return ""
        if (
            self.reschedules
            and self.renewed_at is not None
            and now >= leases.runner_deadline(self.renewed_at, self.timing)
        ):
            return "the server could not be reached before the lease ended, and the run may be started again elsewhere"
        if self.timeout is not None and self.started_at is not None and now >= self.started_at + self.timeout:
            return "it ran longer than its timeout"
        return ""

    def end(self, reason: str, now: float) -> None:
        """From here on the run process has the kill time, less a reserve for the kill itself, to end by itself."""
        self.ending = self.ending or reason
        at = now + 0.75 * self.timing.kill.total_seconds()
        self.kill_at = at if self.kill_at is None else min(self.kill_at, at)

    def next_at(self) -> float | None:
        """When to look again."""
        if self.ending:
            return self.kill_at
        moments: list[float] = []
        if self.reschedules and self.renewed_at is not None:
            moments.append(leases.runner_deadline(self.renewed_at, self.timing))
        if self.timeout is not None and self.started_at is not None:
            moments.append(self.started_at + self.timeout)
        return min(moments, default=None)

    def timed_out(self, now: float) -> bool:
        return (
            self.timeout is not None and self.started_at is not None and now >= self.started_at + self.timeout
        )


class Supervisor:
    """Holds one run process until it and everything below it has ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._selector = selectors.DefaultSelector()
        self._status: int | None = None
        self._pid = 0
        self._announced = b""

    def run(self) -> run_directory.ExitRecord:
        """Takes the handover, runs, and answers with the exit record it has written."""
        run_directory.hold(
            self._directory,
            run_directory.Holder(pid=os.getpid(), started=identity.start_time(os.getpid()) or 0.0),
        )
        processes.adopt_orphans()
        wake, poke = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(poke, False)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self._stop = False
        handover = run_directory.take(self._directory)
        assignment = handover.assignment
        self._watch = Watch(
            timing=handover.timing,
            reschedules=assignment.on_lost == "reschedule",
            timeout=None
            if assignment.timeout_seconds is None
            else assignment.timeout_seconds + TIMEOUT_RESERVE,
        )
        announcements = self._fork(handover)
        self._client = client.Client(handover.server_url, assignment.token, patience=5.0)
        request = runs.HeartbeatFlowRun(flow_run_id=assignment.flow_run_id, fence=assignment.fence)
        self._heartbeat = heartbeat.Heartbeat(
            self._client, request, handover.timing, poke=lambda: _poke(poke)
        )
        self._selector.register(
            announcements, selectors.EVENT_READ, lambda: self._announcement(announcements)
        )
        self._selector.register(wake, selectors.EVENT_READ, lambda: self._woken(wake))
        self._hold()
        record = self._record(assignment)
        run_directory.write_exit(self._directory, record)
        return record

    # --- the run process ---

    def _fork(self, handover: run_directory.Handover) -> int:
        """Forks the run process; the answer is where it announces how far it is."""
        parent = os.getpid()
        reading, writing = os.pipe()
        orders, self._orders = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._orders)
            _become_run_process(handover, self._directory, parent, writing, orders)
        os.close(writing)
        os.close(orders)
        os.set_blocking(reading, False)
        return reading

    def _hold(self) -> None:
        """Until the run process has ended."""
        while self._status is None:
            now = time.monotonic()
            self._decide(now)
            at = self._watch.next_at()
            for key, _ in self._selector.select(None if at is None else max(0.0, at - now)):
                key.data()
        self._heartbeat.stop()
        for key in list(self._selector.get_map().values()):
            key.data()
        if sys.platform != "linux":
            _kill_group(self._pid)
        processes.kill_below(os.getpid())

    def _decide(self, now: float) -> None:
        watch = self._watch
        reason = watch.reason_to_end(now)
        if reason:
            self._end(reason)
        if watch.kill_at is not None and now >= watch.kill_at:
            watch.kill_at = None
            _kill_group(self._pid)

    def _end(self, reason: str) -> None:
        """Asks the run process to end; `_decide` kills it when it does not."""
        again = bool(self._watch.ending)
        self._watch.end(reason, time.monotonic())
        if not again:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    # --- what wakes it ---

    def _signalled(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stop = True

    def _woken(self, wake: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(wake, 4096):
                pass
        if self._stop:
            self._end("it was told to stop")
        for beat in self._heartbeat.taken():
            self._beaten(beat)
        self._collect()

    def _collect(self) -> None:
        """The exit statuses of the run process, and of orphans that have become children."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = os.waitstatus_to_exitcode(status)

    def _announcement(self, pipe: int) -> None:
        try:
            content = os.read(pipe, 4096)
        except BlockingIOError:
            return
        if not content:
            self._selector.unregister(pipe)
        *lines, self._announced = (self._announced + content).split(b"\n")
        watch = self._watch
        for line in lines:
            match line.split():
                case [b"started", at]:
                    watch.started_at = watch.renewed_at = float(at)
                    self._heartbeat.start(float(at))
                case [b"reporting"]:
                    watch.reporting = True
                case [b"reported"]:
                    watch.reported = True
                    self._heartbeat.stop()
                case _:
                    pass

    def _beaten(self, beat: heartbeat.Beat) -> None:
        """A heartbeat was answered: the lease is renewed from when it was sent, and orders are carried out."""
        watch = self._watch
        if watch.reported:
            return
        # a report that has just been accepted also ends the run's token
        if beat.refused and not watch.reporting:
            self._end(f"the server has refused this attempt: {beat.refused}")
        if beat.answer is None:
            return
        if beat.answer.lease_seconds > 0:
            watch.timing = msgspec.structs.replace(
                watch.timing, lease=timedelta(seconds=beat.answer.lease_seconds)
            )
        watch.renewed_at = max(watch.renewed_at or 0.0, beat.sent_at)
        orders = beat.answer.orders
        if orders.superseded:
            self._end("another attempt has taken over")
        elif orders.cancel:
            self._end("it was cancelled")
        elif orders.pause and not watch.pausing:
            watch.pausing = True
            with contextlib.suppress(BrokenPipeError):  # the run process has just ended
                os.write(self._orders, pausing.ORDER)

    # --- the end ---

    def _record(self, assignment: runs.Assignment) -> run_directory.ExitRecord:
        watch = self._watch
        code = self._status if self._status is not None else -signal.SIGKILL
        if not watch.reported and watch.timed_out(time.monotonic()):
            watch.reported = self._report_timeout(assignment)
        return run_directory.ExitRecord(
            exit_code=code,
            reported=watch.reported,
            reporting=watch.reporting,
            stopped=self._stop,
            reason=_words(code, watch.ending),
        )

    def _report_timeout(self, assignment: runs.Assignment) -> bool:
        """A run that hung at its timeout cannot say so itself."""
        request = runs.FinishFlowRun(
            flow_run_id=assignment.flow_run_id,
            fence=assignment.fence,
            type=states.StateType.FAILED,
            name="TimedOut",
            message=f"The run did not end within its timeout of {assignment.timeout_seconds:g} s and was killed.",
            code="timed_out",
        )
        try:
            self._client.call(operations.finish_flow_run, request)
        except errors.HeadraceError:
            return False
        return True


def _kill_group(pid: int) -> None:
    """Kills the run process with its group; what has left the group is killed when the run process has ended."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _become_run_process(
    handover: run_directory.Handover, directory: Path, parent: int, announcements: int, orders: int
) -> NoReturn:
    """The forked child: a group of its own, default signals, and then the run."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        processes.end_with_parent(parent)
        code = execute.run(
            handover, directory, announce=lambda line: _announce(announcements, line), orders=orders
        )
    finally:
        os._exit(code)


def _announce(pipe: int, line: str) -> None:
    # a line is shorter than PIPE_BUF: it is written whole; without a supervisor nobody needs it
    with contextlib.suppress(OSError):
        os.write(pipe, line.encode() + b"\n")


def _poke(pipe: int) -> None:
    # a full pipe wakes as well
    with contextlib.suppress(BlockingIOError):
        os.write(pipe, b".")


def _words(code: int, ending: str) -> str:
    """How a run process ended, for people."""
    because = f" because {ending}" if ending else ""
    if code >= 0:
        return f"The run's process ended with exit code {code}{because}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = (
        " If nobody killed it, the machine may have run out of memory."
        if code == -signal.SIGKILL and not ending
        else ""
    )
    return f"The run's process was killed by {name}{because}.{hint}"


def main(directory: Path) -> int:
    """Supervises the run of this directory to its end."""
    try:
        Supervisor(directory).run()
    except errors.LaunchError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    # the heartbeat's thread may still wait for an answer
    os._exit(code)
