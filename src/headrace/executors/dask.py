"""The Dask executor: a call is a Dask task, and values that are not small stay on the workers.

The coordinator submits what is ready; a value that stayed on a worker is a dependency of the calls that need it, so that
Dask runs them where it is, and makes it again when its worker is lost. What calls say while they run comes as events of
a topic of the run's own, in the order in which each worker said it.
"""

import logging
import pickle
import queue
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dask.config
from distributed.scheduler import KilledWorker

from headrace import client, errors, executors
from headrace.executors import dask_cluster, dask_values, dask_worker, pickling, tracebacks
from headrace.graph import artifacts, showing
from headrace.wire import executors as wire_executors

logger = logging.getLogger("headrace.flow")

#: How many calls may be unfinished: as many as a scheduler can look at when it decides what runs where.
SLOTS = 20_000
#: While so many calls are under way those that follow wait this long for others, to be sent together.
MANY = 200
LINGER_SECONDS = 0.02
#: How often calls are looked at that nothing was heard of.
LOOK_SECONDS = 1.0
#: After so long without any worker a run says so; after so long without a word of a finished task it is done again.
ALONE_SECONDS = 60.0
SILENT_SECONDS = 10.0
#: Neither source lines for the dashboard, nor a warning that the user can do nothing about.
_QUIET = {
    "distributed.diagnostics.computations.nframes": 0,
    "distributed.admin.large-graph-warning-threshold": "100 GB",
}


class _Waiting(NamedTuple):
    """A call that is yet to be sent, for the `turn`th time."""

    call: executors.Call
    code: Any
    own: bytes
    needed: list[dask_values.Stayed]
    turn: int = 1


class _Flight(NamedTuple):
    """A call that Dask has."""

    sent: _Waiting
    future: Any


class DaskExecutor:
    """Runs calls as Dask tasks, on a cluster that is there or on one of the run's own. Raises errors.LaunchError."""

    slots = SLOTS
    queues = True

    def __init__(self, descriptor: wire_executors.DaskExecutor, log: executors.LogSink) -> None:
        self._log = log
        self._cluster = dask_cluster.Cluster(descriptor)
        self._client = self._cluster.client
        self._topic = f"headrace-{uuid.uuid4().hex[:16]}"
        #: What workers said, in pickled batches, and what this process says to itself; None only wakes.
        self._heard: queue.SimpleQueue[bytes | list[tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._client.subscribe_topic(self._topic, self._on_event)
        self._waiting: list[_Waiting] = []
        self._waiting_since = 0.0
        self._flights: dict[int, _Flight] = {}
        self._begun: set[int] = set()
        #: Past their deadline and still going, by ticket.
        self._late: dict[int, _Flight] = {}
        #: Finished for Dask, and no word came of them; since when.
        self._silent: dict[int, float] = {}
        self._looked_at = self._met_at = time.monotonic()
        #: By function and the identity of `shared`, which is held so that the identity stays its own.
        self._code: dict[tuple[Any, int], tuple[Any, Any]] = {}
        self._greeting = pickle.dumps(tuple(_greeting()))
        self._endings: list[executors.Ending] = []
        self._interrupting = False
        self._grace_ends: float | None = None
        self._announce()

    # --- the contract ---

    def submit(self, call: executors.Call) -> None:
        if not self._waiting:
            self._waiting_since = time.monotonic()
        try:
            code = self._code_of(call)
            own, needed = dask_values.packed(call.own)
        except Exception as error:  # noqa: BLE001 - pickling users' objects may raise anything
            message = f"it cannot be sent to a Dask worker: {tracebacks.sentence(error)}"
            self._endings.append(executors.Ending(call.ticket, executors.Kind.REFUSED, message=message))
            return
        self._waiting.append(_Waiting(call, code, own, needed))

    def wait(self, timeout: float | None) -> list[executors.Ending]:
        self._send()
        try:
            heard = self._heard.get(timeout=self._patience(timeout))
            while True:
                for word in pickle.loads(heard) if isinstance(heard, bytes) else heard or ():  # noqa: S301 - of our own workers, plain values
                    self._hear(word)
                heard = self._heard.get_nowait()
        except queue.Empty:
            pass
        if self._interrupting:
            self._interrupt_all()
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look(now)
        endings, self._endings = self._endings, []
        return endings

    def wake(self) -> None:
        self._heard.put(None)

    def interrupt(self) -> None:
        self._interrupting = True
        self.wake()

    def close(self) -> None:
        if self._cluster.lives:
            self._beside(dask_worker.forget)
            keys = [flight.future for flight in (*self._flights.values(), *self._late.values())]
            if keys:
                self._client.cancel(keys, force=True)
            self._client.unsubscribe_topic(self._topic)
        self._flights, self._late, self._code, self._waiting = {}, {}, {}, []
        self._cluster.close()

    # --- sending ---

    def _code_of(self, call: executors.Call) -> Any:
        """The Dask task whose value is the call's code. A task, so that it is not lost with a worker."""
        identity = (call.function, id(call.shared))
        known = self._code.get(identity)
        if known is None:
            number = len(self._code)
            body = pickling.dumps((call.function, call.shared))
            code = dask_worker.Code(self._topic, number, self._greeting, body)
            (future,) = self._map(dask_worker.itself, [[code]], [(f"code-{self._topic}", number)])
            known = self._code[identity] = (call.shared, future)
        return known[1]

    def _send(self) -> None:
        if not self._waiting or self._interrupting:
            return
        if len(self._flights) >= MANY and time.monotonic() - self._waiting_since < LINGER_SECONDS:
            return
        groups: dict[tuple[int, str], list[_Waiting]] = {}
        for each in self._waiting:
            groups.setdefault((id(each.code), repr(each.call.placement)), []).append(each)
        self._waiting = []
        for group in groups.values():
            self._send_together(group)

    def _send_together(self, group: list[_Waiting]) -> None:
        """Calls of one code and one placement: Dask takes many of them in little more time than one."""
        self._take_out([each for sent in group for each in sent.needed])
        calls = [sent.call for sent in group]
        keys = [
            (f"{sent.call.name or 'call'}-{self._topic[9:]}", sent.call.ticket, sent.turn) for sent in group
        ]
        given: list[list[Any]] = [
            [call.ticket for call in calls],
            [sent.own for sent in group],
            [call.timeout for call in calls],
            [[each.future for each in sent.needed] for sent in group],
        ]
        futures = self._map(dask_worker.call, given, keys, calls[0].placement, code=group[0].code)
        for sent, future in zip(group, futures, strict=True):
            self._flights[sent.call.ticket] = _Flight(sent, future)

    def _take_out(self, values: Sequence[dask_values.Stayed]) -> None:
        """Dask tasks for the items among them that nobody has needed before."""
        items = {
            each.key: each for each in values if isinstance(each, dask_values.Item) and each.future is None
        }
        if items:
            wholes = [each.whole.future for each in items.values()]
            places = [each.index for each in items.values()]
            futures = self._map(dask_worker.item, [wholes, places], list(items))
            for each, future in zip(items.values(), futures, strict=True):
                each.future = future

    def _map(
        self,
        function: Any,
        given: list[list[Any]],
        keys: list[Any],
        placement: Mapping[str, Any] | None = None,
        **shared: Any,
    ) -> list[Any]:
        try:
            with dask.config.set(_QUIET):
                return self._client.map(
                    function, *given, key=keys, pure=False, fifo_timeout="60s", **(placement or {}), **shared
                )
        except Exception as error:
            if self._cluster.lives:
                raise
            raise self._gone() from error

    # --- hearing ---

    def _on_event(self, event: tuple[float, bytes]) -> None:
        """In the thread of Dask's client."""
        self._heard.put(event[1])

    def _hear(self, word: tuple[Any, ...]) -> None:
        match word:
            case ("ended", ticket, kind, began_at, content):
                self._end(ticket, kind, began_at, content)
            case ("begun", ticket, at) if ticket in self._flights:
                self._begin(ticket, at)
            case ("log", ticket, record):
                self._log(ticket, logging.makeLogRecord(pickling.loads(record)))
            case ("artifact", record):
                # this is the coordinator's thread: the run's own sink takes it
                if (sink := showing.sink()) is not None:
                    sink(pickling.loads(record))
            case ("late", ticket) if ticket in self._flights:
                self._late[ticket] = self._flights.pop(ticket)
                kind = executors.Kind.CANCELLED if self._interrupting else executors.Kind.TIMED_OUT
                self._endings.append(executors.Ending(ticket, kind, abandoned=True))
            case ("different", worker, different):
                dask_cluster.judge({name: f"{what} {worker}" for name, what in different.items()})
            case ("running", tickets):
                for ticket in [ticket for ticket in self._flights if ticket not in tickets]:
                    self._drop(ticket, executors.Kind.CANCELLED)
            case _:
                # of a call that has ended: Dask has made a lost value again
                pass

    def _begin(self, ticket: int, at: datetime) -> None:
        if ticket not in self._begun:
            self._begun.add(ticket)
            self._endings.append(executors.Ending(ticket, executors.Kind.BEGUN, min(at, datetime.now(UTC))))

    def _end(self, ticket: int, kind: str, began_at: datetime | None, content: Any) -> None:
        if self._late.pop(ticket, None) is not None:
            self._endings.append(executors.Ending(ticket, executors.Kind.RELEASED))
            return
        if ticket not in self._flights:
            return
        if began_at is not None:
            self._begin(ticket, began_at)
        match kind:
            case "done":
                data, size, length = content
                flight = self._flights[ticket]
                try:
                    value = pickling.loads(data)
                except Exception as error:  # noqa: BLE001 - users' objects may raise anything when they are read
                    reason = tracebacks.sentence(error)
                    message = f"its value cannot be read from a Dask worker: {reason}"
                    self._drop(ticket, executors.Kind.REFUSED, message)
                    return
                if size is not None:
                    value.value = dask_values.Stayed(self, flight.future, size, length)
                self._drop(ticket, executors.Kind.DONE, value=value)
            case "refused":
                self._drop(ticket, executors.Kind.REFUSED, content)
            case "lost":
                self._drop(ticket, executors.Kind.LOST, content)
            case "cancelled":
                self._drop(ticket, executors.Kind.CANCELLED)
            case _:
                self._drop(ticket, executors.Kind.TIMED_OUT)

    def _drop(
        self,
        ticket: int,
        kind: executors.Kind,
        message: str = "",
        value: Any = None,
        *,
        abandoned: bool = False,
    ) -> None:
        del self._flights[ticket]
        self._begun.discard(ticket)
        self._silent.pop(ticket, None)
        self._endings.append(executors.Ending(ticket, kind, value, message, abandoned))

    # --- looking after what nothing is heard of ---

    def _patience(self, timeout: float | None) -> float:
        if self._endings:
            return 0.0
        now = time.monotonic()
        until = self._looked_at + LOOK_SECONDS
        if self._waiting:
            until = min(until, self._waiting_since + LINGER_SECONDS)
        if self._grace_ends is not None:
            until = min(until, self._grace_ends)
        left = max(0.0, until - now)
        return left if timeout is None else min(left, timeout)

    def _look(self, now: float) -> None:
        if not self._cluster.lives:
            raise self._gone()
        for ticket, flight in list(self._flights.items()):
            match flight.future.status:
                case "error":
                    self._drop(ticket, executors.Kind.LOST, _why(flight.future))
                case "cancelled":
                    if not self._interrupting:
                        self._drop(ticket, executors.Kind.LOST, "Dask has cancelled it")
                case "finished":
                    if now - self._silent.setdefault(ticket, now) > SILENT_SECONDS:
                        self._again(ticket)
                case _:
                    # pending; or lost, with a worker that could not say how it ended, and being made again
                    self._silent.pop(ticket, None)
        if self._begun or not self._flights:
            self._met_at = now
        elif now - self._met_at > ALONE_SECONDS:
            self._met_at = now
            if not self._cluster.workers:
                logger.warning(
                    "Dask: there has been no worker for %g s; %d tasks wait",
                    ALONE_SECONDS,
                    len(self._flights),
                )

    def _again(self, ticket: int) -> None:
        """Its worker left, with its value in good order and the word of it unsaid."""
        sent = self._flights.pop(ticket).sent
        del self._silent[ticket]
        self._waiting.append(sent._replace(turn=sent.turn + 1))

    def _interrupt_all(self) -> None:
        for each in self._waiting:
            self._endings.append(executors.Ending(each.call.ticket, executors.Kind.CANCELLED))
        self._waiting = []
        if self._grace_ends is None:
            self._grace_ends = time.monotonic() + executors.GRACE_SECONDS
            if self._flights:
                self._beside(dask_worker.interrupt, then=self._running)
                self._client.cancel([flight.future for flight in self._flights.values()], force=True)
        elif time.monotonic() >= self._grace_ends:
            for ticket in list(self._flights):
                self._drop(ticket, executors.Kind.CANCELLED, abandoned=True)

    def _running(self, told: dict[str, Any]) -> None:
        answers: list[list[int]] = [each for each in told.values() if isinstance(each, list)]
        self._heard.put([("running", {ticket for each in answers for ticket in each})])

    def _beside(self, function: Any, then: Any = None) -> None:
        """Calls the function on every worker, and waits no longer for the answers than is worth it."""

        def tell() -> None:
            try:
                told = self._client.run(function, self._topic, on_error="ignore")
            except Exception as error:  # noqa: BLE001 - a cluster that goes away; what it does not hear ends with it
                logger.debug("Dask: workers were not reached: %s", tracebacks.sentence(error))
                return
            if then is not None:
                then(told)

        telling = threading.Thread(target=tell, name="headrace-dask", daemon=True)
        telling.start()
        if then is None:
            telling.join(executors.GRACE_SECONDS)

    def gather(self, wanted: Sequence[dask_values.Stayed]) -> list[Any]:
        """The values themselves. Raises errors.ResultError."""
        self._take_out(wanted)
        try:
            values = self._client.gather([each.future for each in wanted])
        except Exception as error:  # noqa: BLE001 - Dask raises what has kept it from making a lost value again
            reason = tracebacks.sentence(error)
            raise errors.ResultError(f"a value on the Dask cluster cannot be had: {reason}") from None
        for value in values:
            if isinstance(value, dask_worker.Missing):
                raise errors.ResultError(
                    f"a value was lost with its Dask worker, and could not be made again: {value.message}"
                )
        return values

    def _gone(self) -> executors.Gone:
        return executors.Gone(f"the Dask scheduler at {self._cluster.address} does not answer any more")

    def _announce(self) -> None:
        dashboard = self._cluster.dashboard
        logger.info(
            "Dask: %d workers at %s%s",
            self._cluster.workers,
            self._cluster.address,
            f", dashboard at {dashboard}" if dashboard else "",
        )
        if dashboard and showing.sink() is not None:
            artifacts.link(dashboard, "Dask dashboard", key="dask-dashboard")


def _greeting() -> dask_worker.Greeting:
    levels = {
        name: known.level
        for name, known in logging.root.manager.loggerDict.items()
        if isinstance(known, logging.Logger) and known.level and name.partition(".")[0] != "distributed"
    }
    levels[""] = logging.root.level
    return dask_worker.Greeting(dask_worker.versions(), levels, client.inside())


def _why(future: Any) -> str:
    """Why Dask has given a task up, in a sentence."""
    error = future.exception(timeout=dask_cluster.CLOSE_SECONDS)
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        return f"{times} Dask workers died while they ran it, the last at {error.last_worker.address}"
    return tracebacks.sentence(error)
