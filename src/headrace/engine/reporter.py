"""Reports: the states of task runs, the log records and the artifacts of a run, on their way to the server.

They leave in order, in batches, on one background thread; an outage only lets them wait, in memory and then in a file,
and never holds up a task. Answers carry the server's orders, so that no poll of its own is needed to cancel.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec

from headrace import client, errors, tracing
from headrace.core import states
from headrace.engine import spool
from headrace.wire import artifacts, operations, runs

#: A batch leaves after so many seconds, or with so many records or bytes of log.
INTERVAL_SECONDS = 0.1
BATCH_RECORDS = 500
BATCH_BYTES = 1024 * 1024
#: Characters of a state's message that are sent.
MESSAGE_CHARACTERS = 16 * 1024
#: Bytes of log that may wait for the thread; more of them are dropped and counted.
LOG_BYTES = 16 * 1024 * 1024
#: Seconds for which a batch is sent again to a server that answers with an error of its own.
GIVE_UP_SECONDS = 120.0
#: Of a progress that goes on, one word in so many seconds is sent, and the last one.
PROGRESS_SECONDS = 0.5
LONGEST_PAUSE = 20.0
SEND_SECONDS = 15.0

T = TypeVar("T")
Batch = runs.WriteTaskEvents | runs.WriteLogs | artifacts.WriteArtifacts


class Reporter:
    """Reports for one run and fence.

    `lost` is called, on the reporter's thread, when the server refuses this attempt's writes: another has taken over, or
    the run is over. Nothing is sent after that. `ordered` is called, on that thread too, when an answer carries the order
    to cancel; whoever hears it calls `cancel`.
    """

    def __init__(
        self,
        client: client.Client,
        flow_run_id: UUID,
        fence: int,
        spool_path: Path,
        *,
        lost: Callable[[errors.HeadraceError], None],
        ordered: Callable[[], None],
    ) -> None:
        self._client = client
        self._run = flow_run_id
        self._fence = fence
        self._lost = lost
        self._ordered = ordered
        self._outbox: spool.Spool[Batch] = spool.Spool(spool_path, _encode, _decode)
        self._changed = threading.Condition(threading.Lock())
        self._events: list[runs.TaskEvent] = []
        self._records: list[runs.LogRecord] = []
        self._artifacts: list[artifacts.ArtifactRecord] = []
        #: What progresses have come to, by token.
        self._progress: dict[str, artifacts.ArtifactRecord] = {}
        self._progress_at = 0.0
        self._record_bytes = 0
        self._dropped = 0
        self._first_at = 0.0
        self._event_seq = self._record_seq = self._artifact_seq = 0
        self._sent_all = True
        self._hurry = self._closing = self._refused = False
        self._retry_at = 0.0
        self._failures = 0
        self._failing_since = 0.0
        self._cancels: list[Callable[[], None]] = []
        self._cancelled = False
        self._thread = threading.Thread(target=self._work, name="headrace-reporter", daemon=True)
        self._thread.start()

    # --- what the run says; none of it blocks ---

    def task(
        self,
        slug: str,
        map_index: int,
        state: states.State,
        *,
        attempt: int = 1,
        result: runs.ResultRef | None = None,
    ) -> None:
        """One task run has entered a state."""
        is_running = state.type is states.StateType.RUNNING
        tracing.task_state(
            slug, map_index, attempt, state.name, state.at, is_running=is_running, is_failure=state.is_failure
        )
        message = state.message[:MESSAGE_CHARACTERS]
        event = runs.TaskEvent(
            slug, map_index, state.type, state.name, state.at, message, attempt, state.due_at, result
        )
        with self._changed:
            self._events.append(event)
            self._added(len(self._events))

    def log(self, record: runs.LogRecord) -> None:
        """One log record. What this thread logs itself while it sends is passed over, or it would never end."""
        if threading.current_thread() is self._thread:
            return
        with self._changed:
            if self._record_bytes + len(record.message) > LOG_BYTES:
                self._dropped += 1
                return
            self._records.append(record)
            self._record_bytes += len(record.message)
            self._added(len(self._records))

    def artifact(self, record: artifacts.ArtifactRecord) -> None:
        """One artifact; of a progress that goes on only the last counts."""
        with self._changed:
            if record.token:
                self._progress[record.token] = record
            else:
                self._artifacts.append(record)
            self._added(len(self._artifacts))

    def dropped(self, count: int) -> None:
        """So many records were dropped before they came here."""
        with self._changed:
            self._dropped += count

    def _added(self, waiting: int) -> None:
        if self._sent_all:
            self._sent_all = False
            self._first_at = time.monotonic()
            self._changed.notify_all()
        elif waiting == BATCH_RECORDS or (waiting == 1 and self._progress):
            # the thread may be waiting for a progress, which has more time
            self._changed.notify_all()

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        """`cancel` is called once when the run is to end; at once if that has been said already."""
        with self._changed:
            self._cancels.append(cancel)
            late = self._cancelled
        if late:
            cancel()

    def cancel(self) -> None:
        """The run is to end as Cancelled: those who asked by `on_cancel` are told, once."""
        with self._changed:
            calls = [] if self._cancelled else list(self._cancels)
            self._cancelled = True
        for call in calls:
            call()

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was said is acknowledged. False when the time is over or the server has refused."""
        with self._changed:
            self._hurry = True
            self._retry_at = 0.0
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._refused or (self._sent_all and not self._pending()), timeout
            )
            self._hurry = False
            return done and not self._refused

    def close(self) -> None:
        """Ends the thread; what has not been sent is forgotten."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=SEND_SECONDS)
        self._outbox.clear()

    # --- the thread ---

    def _pending(self) -> bool:
        return self._hurries() or bool(self._progress)

    def _hurries(self) -> bool:
        return bool(self._events or self._records or self._dropped or self._artifacts)

    def _work(self) -> None:
        while not self._closing:
            with self._changed:
                self._wait()
                batches = self._batches()
            for batch, size in batches:
                self._outbox.put(batch, size)
            if time.monotonic() >= self._retry_at:
                self._deliver()
            with self._changed:
                if not self._pending() and not len(self._outbox):
                    self._sent_all = True
                    self._changed.notify_all()
                elif not len(self._outbox):
                    self._first_at = time.monotonic()

    def _wait(self) -> None:
        """Until a batch is due: nothing ticks while there is nothing to send."""
        self._changed.wait_for(lambda: not self._sent_all or self._closing)
        while not self._closing:
            due = self._retry_at if len(self._outbox) else self._first_at + INTERVAL_SECONDS
            if not len(self._outbox) and not self._hurries():
                due = max(due, self._progress_at + PROGRESS_SECONDS)
            full = len(self._events) >= BATCH_RECORDS or len(self._records) >= BATCH_RECORDS
            left = due - time.monotonic()
            if left <= 0 or full or (self._hurry and not len(self._outbox)):
                return
            self._changed.wait(left)

    def _batches(self) -> list[tuple[Batch, int]]:
        """What waits, as batches in order."""
        found: list[tuple[Batch, int]] = []
        for begin in range(0, len(self._events), BATCH_RECORDS):
            events = self._events[begin : begin + BATCH_RECORDS]
            size = sum(200 + len(event.message) for event in events)
            found.append(
                (
                    runs.WriteTaskEvents(
                        flow_run_id=self._run, fence=self._fence, seq=self._event_seq, events=events
                    ),
                    size,
                )
            )
            self._event_seq += len(events)
        if self._dropped:
            self._records.append(_flooded(self._dropped))
        for records, size in _portions(self._records, _record_size):
            found.append(
                (
                    runs.WriteLogs(
                        flow_run_id=self._run, fence=self._fence, seq=self._record_seq, records=records
                    ),
                    size,
                )
            )
            self._record_seq += len(records)
        found += self._artifact_batches()
        self._events, self._records = [], []
        self._record_bytes = self._dropped = 0
        return found

    def _artifact_batches(self) -> list[tuple[Batch, int]]:
        """What is shown, as batches. A progress waits while others do: it would only pile up behind them."""
        now = time.monotonic()
        if not len(self._outbox) and (self._hurry or now >= self._progress_at + PROGRESS_SECONDS):
            self._artifacts += self._progress.values()
            self._progress, self._progress_at = {}, now
        found: list[tuple[Batch, int]] = []
        for portion, size in _portions(self._artifacts, _artifact_size):
            batch = artifacts.WriteArtifacts(
                flow_run_id=self._run, fence=self._fence, seq=self._artifact_seq, artifacts=portion
            )
            found.append((batch, size))
            self._artifact_seq += len(portion)
        self._artifacts = []
        return found

    def _deliver(self) -> None:
        while (batch := self._outbox.head()) is not None and not self._closing:
            try:
                self._obey(self._send(batch))
            except errors.HeadraceError as error:
                if _is_final(error) and not _is_unknown(batch, error):
                    self._give_up(error)
                    return
                if self._may_pass(error):
                    self._back_off()
                    return
            self._failures = 0
            self._outbox.pop()

    def _send(self, batch: Batch) -> runs.Written:
        if isinstance(batch, runs.WriteTaskEvents):
            return self._client.call(operations.write_task_events, batch, timeout=SEND_SECONDS, patience=0)
        if isinstance(batch, artifacts.WriteArtifacts):
            return self._client.call(operations.write_artifacts, batch, timeout=SEND_SECONDS, patience=0)
        return self._client.call(operations.write_logs, batch, timeout=SEND_SECONDS, patience=0)

    def _may_pass(self, error: errors.HeadraceError) -> bool:
        """Whether to send again. A batch that only this server cannot take must not hold up the rest for ever."""
        if isinstance(error, errors.Unreachable | errors.Unavailable | errors.TooManyRequests):
            return True
        now = time.monotonic()
        self._failing_since = self._failing_since if self._failures else now
        return error.status >= 500 and now - self._failing_since < GIVE_UP_SECONDS

    def _back_off(self) -> None:
        longest = min(LONGEST_PAUSE, 0.2 * 2 ** min(self._failures, 10))
        self._failures += 1
        self._retry_at = time.monotonic() + random.uniform(0.02, longest)  # noqa: S311 - jitter, no secret

    def _obey(self, answer: runs.Written) -> None:
        if answer.orders.superseded:
            self._give_up(errors.Superseded())
        elif answer.orders.cancel and not self._cancelled:
            self._ordered()

    def _give_up(self, error: errors.HeadraceError) -> None:
        with self._changed:
            self._refused = self._closing = True
            self._changed.notify_all()
        self._lost(error)


def _is_final(error: errors.HeadraceError) -> bool:
    """Whether the server has refused the writer, rather than what it wrote."""
    return isinstance(error, errors.Conflict | errors.Unauthenticated | errors.Forbidden | errors.NotFound)


def _is_unknown(batch: Batch, error: errors.HeadraceError) -> bool:
    """Whether this server is older than artifacts: then they are not shown, and the run goes on."""
    return isinstance(batch, artifacts.WriteArtifacts) and isinstance(error, errors.NotFound)


def _flooded(count: int) -> runs.LogRecord:
    sentence = f"{count} lines dropped: the run logged more than can be sent."
    return runs.LogRecord(datetime.now(UTC), logging.WARNING, "headrace", sentence)


def _record_size(record: runs.LogRecord) -> int:
    return 150 + len(record.message)


def _artifact_size(record: artifacts.ArtifactRecord) -> int:
    return len(msgspec.json.encode(record))


def _portions(records: list[T], size_of: Callable[[T], int]) -> list[tuple[list[T], int]]:
    """The records in portions that are small enough to send."""
    found: list[tuple[list[T], int]] = []
    portion: list[T] = []
    size = 0
    for record in records:
        more = size_of(record)
        if portion and (len(portion) == BATCH_RECORDS or size + more > BATCH_BYTES):
            found.append((portion, size))
            portion, size = [], 0
        portion.append(record)
        size += more
    if portion:
        found.append((portion, size))
    return found


#: By which a batch in the file begins.
_MARKS: dict[bytes, type[Batch]] = {
    b"E": runs.WriteTaskEvents,
    b"L": runs.WriteLogs,
    b"A": artifacts.WriteArtifacts,
}


def _encode(batch: Batch) -> bytes:
    mark = next(mark for mark, kind in _MARKS.items() if isinstance(batch, kind))
    return mark + msgspec.json.encode(batch)


def _decode(frame: bytes) -> Batch:
    return msgspec.json.decode(frame[1:], type=_MARKS[frame[:1]])
