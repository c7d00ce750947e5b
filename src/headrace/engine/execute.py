"""The run process: gets the content, checks it, asks whether user code may begin, runs the flow, and reports its end.

`python -m headrace.engine.execute RUN_DIR` runs what was handed over in a directory, without a supervisor.
"""

import logging
import os
import queue
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from headrace import client, errors, settings, tracing
from headrace.core import reasons, states
from headrace.engine import content, flow_runner, gate, logs, pausing, reporter, results
from headrace.executors import tracebacks
from headrace.graph import context
from headrace.launch import directory as run_directory
from headrace.storage import kinds as storages
from headrace.storage import variables
from headrace.wire import operations, runs, storage

logger = logging.getLogger("headrace.flow")

T = states.StateType

#: Exit codes: the final report was accepted; the server refused this attempt; it was told to stop before its start.
REPORTED, REFUSED, STOPPED = 0, 75, 76
#: Seconds for which the final report is sent again to a server that does not answer: as long as a run token may live.
PATIENCE = 24 * 3600.0
#: Bytes of a value that are kept for a re-run when nobody has said what is to be kept.
LARGEST_KEPT = 256 * 1024 * 1024
#: How often a sleeping task is woken to be told that it is cancelled, and how many seconds lie between.
WAKES, WAKE_SECONDS = 20, 0.1
_PASSING = (errors.Unreachable, errors.Unavailable, errors.TooManyRequests)


class Stopping:
    """SIGTERM, and the server's order to cancel, become the end of the flow's run."""

    def __init__(self) -> None:
        #: Whether the run was told to stop.
        self.asked = threading.Event()
        # a signal's handler may interrupt anything, also code that holds a lock: only this queue is made for that
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._main = threading.get_ident()
        self._cancel: Callable[[], None] | None = None
        signal.signal(signal.SIGTERM, lambda number, frame: self._signals.put(None))
        threading.Thread(target=self._work, name="headrace-stopping", daemon=True).start()

    def order(self) -> None:
        """From any thread: the run is to end."""
        self._signals.put(None)

    def attach(self, cancel: Callable[[], None]) -> None:
        """What ends the run, once there is one."""
        self._cancel = cancel
        if self.asked.is_set():
            self.order()

    def _work(self) -> None:
        """Ends the run. The signals that follow wake the main thread where it sleeps in a task: one alone may come just
        before it falls asleep.
        """
        while True:
            self._signals.get()
            self.asked.set()
            if self._cancel is not None:
                self._cancel()
                for _ in range(WAKES):
                    signal.pthread_kill(self._main, signal.SIGTERM)
                    time.sleep(WAKE_SECONDS)
                return


class _Refused(Exception):
    """The server does not want this attempt: it ends without a word."""


def run(
    handover: run_directory.Handover,
    directory: Path,
    *,
    announce: Callable[[str], None],
    orders: int | None = None,
) -> int:
    """Runs what was handed over and answers with the process's exit code.

    `announce` is told how far the run is: `started` with the time at which the lease was asked for, `reporting`, `reported`.
    Through the pipe `orders` comes the order to pause.
    """
    stopping = Stopping()
    api = client.Client(handover.server_url, handover.assignment.token, patience=PATIENCE)
    held = handover.assignment
    client.enter_run(handover.server_url, held.token, held.flow_run_id, held.fence)
    process = _RunProcess(handover.assignment, directory, api, stopping, announce, pausing.Pausing(orders))
    tracing.start("headrace-run")
    try:
        with tracing.run(held.flow_run_id, held.fence, held.attempt, f"{held.project}/{held.flow}"):
            return process.run()
    except _Refused as refusal:
        sys.stderr.write(f"headrace: the server refuses this attempt: {refusal}\n")
        return REFUSED
    finally:
        tracing.stop()


class _RunProcess:
    """One attempt of one flow run, in this process."""

    def __init__(
        self,
        assignment: runs.Assignment,
        directory: Path,
        api: client.Client,
        stopping: Stopping,
        announce: Callable[[str], None],
        pauses: pausing.Pausing,
    ) -> None:
        self._pauses = pauses
        self._pause_ends_after: timedelta | None = None
        self._assignment = assignment
        self._directory = directory
        self._api = api
        self._stopping = stopping
        self._announce = announce
        self._store = results.ResultStore(flow_runner.default_directory())
        #: The tags whose tasks must have a slot, as the server said at the start.
        self._limited: list[str] = []

    def run(self) -> int:
        try:
            packed = self._load()
        except errors.ContentError as error:
            mismatch = isinstance(error, errors.ContentMismatch)
            code = error.code if error.code in reasons.ENDS else "storage_unreachable"
            return self._finish(
                states.State(
                    T.CRASHED,
                    "ContentMismatch" if mismatch else "Crashed",
                    datetime.now(UTC),
                    error.message,
                    code=code,
                )
            )
        started = self._start()
        if started is None:
            return STOPPED
        self._announce(f"started {started!r}")
        assignment = self._assignment
        reports = reporter.Reporter(
            self._api,
            assignment.flow_run_id,
            assignment.fence,
            self._directory / run_directory.SPOOL,
            lost=self._lost,
            ordered=self._stopping.order,
        )
        self._stopping.attach(reports.cancel)
        extra = settings.load().extra_loggers.replace(",", " ").split()
        secrets = [assignment.token, *variables.held(storage.secrets(assignment.storage))]
        with logs.captured(reports, level=assignment.log_level, secrets=secrets, extra_loggers=extra):
            ended = self._execute(packed, reports)
        # the states of all tasks are known to the server before the run's own
        if not reports.flush():
            raise _Refused("it was superseded, or is over")
        code = self._finish(ended)
        self._forget()
        return code

    # --- before the start: nothing of the user's is loaded ---

    def _load(self) -> bytes:
        found = storages.load(self._assignment.storage)
        content.check(found, self._assignment.content_sha256)
        return found

    def _start(self) -> float | None:
        """Asks whether user code may begin. When the lease was asked for, or None when the run was told to stop.

        The server may have granted the lease to an earlier try whose answer was lost, or so long ago that it is half over:
        then the lease is asked for again. Code that begins after its deadline could not be ended before another begins.
        """
        assignment = self._assignment
        request = runs.StartFlowRun(
            flow_run_id=assignment.flow_run_id,
            fence=assignment.fence,
            content_sha256=assignment.content_sha256,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        request_id = uuid4().hex
        sent, pause, tries = 0.0, 0.0, 0
        while not self._stopping.asked.wait(pause):
            tries += 1
            sent = time.monotonic()
            try:
                answer = self._api.call(
                    operations.start_flow_run, request, request_id=request_id, timeout=10, patience=0
                )
                self._limited = answer.limited_tags
                is_fresh = tries == 1 and _is_young(sent, answer)
                return sent if is_fresh else self._renew()
            except errors.TooEarly as error:
                pause = float(error.facts.get("retry_after", 1.0))
            except _PASSING:
                pause = random.uniform(0.05, min(10.0, 0.2 * 2 ** min(tries, 10)))  # noqa: S311 - jitter, no secret
            except errors.HeadraceError as error:
                raise _Refused(error.message) from None
        return None

    def _renew(self) -> float:
        request = runs.HeartbeatFlowRun(
            flow_run_id=self._assignment.flow_run_id, fence=self._assignment.fence
        )
        tries = 0
        while True:
            tries += 1
            sent = time.monotonic()
            try:
                answer = self._api.call(operations.heartbeat_flow_run, request, timeout=10, patience=0)
                if answer.orders.superseded:  # the start was accepted once, and is over
                    raise _Refused("another attempt has taken over, or the run has ended")
                if _is_young(sent, answer):
                    return sent
            except _PASSING:
                time.sleep(random.uniform(0.05, min(10.0, 0.2 * 2 ** min(tries, 10))))  # noqa: S311 - jitter, no secret
            except errors.HeadraceError as error:
                raise _Refused(error.message) from None

    # --- the user's code ---

    def _execute(self, packed: bytes, reports: reporter.Reporter) -> states.State:
        """Loads and runs the flow. The state in which it has ended."""
        # as for a script: what lies in the working directory can be imported, and only user code sees it
        sys.path.insert(0, str(Path.cwd()))
        try:
            flow = content.unpack(packed, self._directory / "source")
            runner = self._runner(flow, reports)
            self._pauses.attach(runner.pause)
            state = runner.run().state
            self._pause_ends_after = runner.pause_ends_after
            return state
        except errors.HeadraceError as error:
            logger.error("%s", error.message)  # noqa: TRY400 - the sentence says it; the traceback is ours
            code = "import_failed" if isinstance(error, errors.ContentError) else "flow_failed"
            return _failed(error.message, code)
        except BaseException as error:  # noqa: BLE001 - hooks and user code outside tasks may raise anything, SystemExit too
            logger.error("The run ended with an exception.\n%s", tracebacks.strip(error))  # noqa: TRY400 - stripped, not whole
            code = "out_of_memory" if isinstance(error, MemoryError) else "flow_failed"
            return _failed(tracebacks.sentence(error), code)

    def _runner(self, flow: Any, reports: reporter.Reporter) -> flow_runner.FlowRunner:
        assignment, options = self._assignment, flow.options
        must_persist = assignment.on_lost == "reschedule"
        if options.results is not None:
            self._store = results.store(options.results)
        run = context.Run(
            run_id=str(assignment.flow_run_id),
            flow_name=assignment.flow,
            parameters=flow.graph.validate(assignment.parameters),
            run_name=assignment.name,
            project=assignment.project,
            fence=assignment.fence,
            run_attempt=assignment.attempt,
            scheduled_at=assignment.due_at,
            started_at=datetime.now(UTC),
        )
        return flow_runner.FlowRunner(
            flow.graph,
            run=run,
            executor=assignment.executor,
            reporter=reports,
            store=self._store,
            known=self._known(),
            persist=options.persist is not False or must_persist,
            largest=None if options.persist or must_persist else LARGEST_KEPT,
            tag_slots=gate.Gate(
                self._limited, gate.asking(self._api, assignment.flow_run_id, assignment.fence)
            ),
            log_prints=options.log_prints,
            timeout=assignment.timeout_seconds,
            pause_timeout=options.pause_timeout,
            on_state=options.on_state,
            subject=flow,
        )

    def _known(self) -> dict[tuple[str, int], flow_runner.Known]:
        """What earlier attempts of a run that was resumed, rescued or tried again have recorded, or the run it re-runs."""
        assignment = self._assignment
        if not assignment.resumed:
            return {}
        request = runs.ReadTaskResults(flow_run_id=assignment.flow_run_id, fence=assignment.fence)
        answer = self._api.call(operations.read_task_results, request)
        return {
            (item.slug, item.map_index): flow_runner.Known(item.state, item.result, item.origin)
            for item in answer.items
        }

    # --- the end ---

    def _forget(self) -> None:
        """Old results in the store that this run wrote to, where somebody has to look for them."""
        days = settings.load().results_days
        # a bucket has rules of its own for what is old
        if days > 0 and isinstance(self._store.directory, Path):
            results.forget(self._store.directory, timedelta(days=days))

    def _lost(self, error: errors.HeadraceError) -> None:
        """The server refuses what this attempt writes: user code must not go on."""
        if sys.__stderr__ is not None:
            sys.__stderr__.write(f"headrace: the server refuses this attempt: {error.message}\n")
            sys.__stderr__.flush()
        os._exit(REFUSED)

    def _finish(self, ended: states.State) -> int:
        """The final report, sent until it is accepted or refused."""
        self._announce("reporting")
        request = runs.FinishFlowRun(
            flow_run_id=self._assignment.flow_run_id,
            fence=self._assignment.fence,
            type=ended.type,
            name=ended.name,
            message=ended.message[: reporter.MESSAGE_CHARACTERS],
            code=ended.code,
            pause_seconds=None if self._pause_ends_after is None else self._pause_ends_after.total_seconds(),
        )
        request_id, until = uuid4().hex, time.monotonic() + reporter.GIVE_UP_SECONDS
        while True:
            try:
                self._api.call(operations.finish_flow_run, request, request_id=request_id)
                break
            except errors.HeadraceError as error:
                # a refusal is final; an error of the server's own may be over soon
                if error.status < 500 or time.monotonic() > until:
                    raise _Refused(error.message) from None
                time.sleep(random.uniform(0.2, 2.0))  # noqa: S311 - jitter, no secret
        self._announce("reported")
        return REPORTED


def _is_young(sent: float, answer: runs.RunAnswer) -> bool:
    """Whether at least half of a lease that was asked for then is left."""
    return time.monotonic() - sent <= answer.lease_seconds / 2


def _failed(message: str, code: str) -> states.State:
    return states.State(T.FAILED, "Failed", datetime.now(UTC), message, code=code)


def main(directory: Path) -> int:
    """Runs what was handed over in the directory, in this process."""
    try:
        return run(run_directory.take(directory), directory, announce=lambda line: None)
    except errors.LaunchError as error:
        sys.stderr.write(f"headrace: {error.message}\n")
        return 1


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    # threads that were abandoned at their timeout may still run
    os._exit(code)
