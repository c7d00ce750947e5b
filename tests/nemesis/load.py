"""People who ask for runs, look at them and cancel some, through a bad network, and write down what they were told."""

import collections
import contextlib
import dataclasses
import random
import threading
import time
import uuid
from pathlib import Path

from headrace import client, errors
from headrace.wire import operations, runs
from nemesis import history as histories

#: Seconds: how long one try waits, and how long somebody goes on with one request after the faults are over.
TRY = 5.0
LAST = 60.0
#: So many runs of which nobody has seen the end are enough.
OPEN = 14
#: How many of the runs are cancelled.
CANCELLED = 0.06
#: "Not now", or no answer at all.
PASSING = (errors.Unreachable, errors.Unavailable, errors.TooManyRequests)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A run that was asked for, and what its answer said. `sent` to `told`: from the first try to the answer."""

    run: str
    mode: str
    sent: float
    told: float


class Load:
    """So many people, each a thread."""

    def __init__(
        self,
        url: str,
        key: str,
        history: histories.History,
        seed: int,
        *,
        flows: dict[str, str],
        folder: Path,
    ) -> None:
        self.history = history
        self.made: dict[str, Wanted] = {}
        #: Cancelled before its start, by an answer that came at this moment.
        self.unstarted: dict[str, float] = {}
        self.cancelled: set[str] = set()
        #: Moments at which a change was acknowledged: of its asking, and of the answer.
        self.acknowledged: list[tuple[float, float]] = []
        self.tries: collections.Counter[str] = collections.Counter()
        self.problems: list[str] = []
        self._url, self._key, self._seed = url, key, seed
        self._flows, self._folder = flows, folder
        self._open: set[str] = set()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, people: int = 3) -> None:
        for number in range(people):
            thread = threading.Thread(
                target=self._live, args=(random.Random(f"{self._seed} {number}"), number)
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Nobody asks for more; what was asked for is asked until there is an answer."""
        self._over.set()
        for thread in self._threads:
            thread.join(LAST + 60)
            if thread.is_alive():
                self.problems.append("somebody still waits for an answer long after the last fault")

    def _live(self, chosen: random.Random, number: int) -> None:
        with contextlib.closing(client.Client(self._url, self._key, patience=0)) as api:
            count = 0
            while not self._over.is_set():
                if len(self._open) < OPEN:
                    count += 1
                    self._make(api, chosen, f"{number}-{count}")
                for run in chosen.sample(sorted(self._open), min(2, len(self._open))):
                    self._look(api, run)
                self._over.wait(chosen.uniform(0.2, 1.0))

    def _make(self, api: client.Client, chosen: random.Random, key: str) -> None:
        mode = chosen.choice(sorted(self._flows))
        seconds = chosen.uniform(5, 9) if chosen.random() < 0.2 else chosen.uniform(0.2, 3.0)
        request = runs.CreateFlowRun(
            project=self._flows[mode].partition("/")[0],
            flow=self._flows[mode].partition("/")[2],
            parameters={"folder": str(self._folder), "seconds": seconds},
            idempotency_key=key,
        )
        is_cancelled = chosen.random() < CANCELLED
        sent = time.monotonic()
        made = self._until_told(api, operations.create_flow_run, request)
        if made is None:
            return
        run = str(made.id)
        self.made[run] = Wanted(run, mode, sent, time.monotonic())
        self._open.add(run)
        if is_cancelled:
            self._over.wait(chosen.choice((0.0, 1.5)))
            self._cancel(api, made.id)

    def _cancel(self, api: client.Client, run: uuid.UUID) -> None:
        self.cancelled.add(str(run))
        answer = self._until_told(
            api, operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=run, reason="nemesis")
        )
        if answer is not None and answer.state.name == "Cancelled" and answer.started_at is None:
            self.unstarted[str(run)] = time.monotonic()

    def _until_told(self, api: client.Client, operation, request) -> runs.FlowRun | None:  # type: ignore[no-untyped-def]
        """One request with one name, sent until somebody answers it."""
        name, sent = uuid.uuid4().hex, time.monotonic()
        until = None
        while True:
            asked = time.monotonic()
            try:
                answer = api.call(operation, request, request_id=name, timeout=TRY)
            except PASSING as error:
                self.tries[error.code] += 1
            except errors.HeadraceError as error:
                # who cancels what has just ended is told so
                if operation is not operations.cancel_flow_run or not isinstance(error, errors.Conflict):
                    self.problems.append(f"{operation.name} was refused: {error.code}: {error.message}")
                return None
            else:
                told = time.monotonic()
                self.tries["told"] += 1
                self.acknowledged.append((asked, told))
                self._saw(answer, operation.name, sent, told)
                return answer
            if self._over.is_set():
                until = until or time.monotonic() + LAST
                if time.monotonic() > until:
                    self.problems.append(f"{operation.name} got no answer {LAST:g} s after the last fault")
                    return None
            time.sleep(0.2)

    def _look(self, api: client.Client, run: str) -> None:
        sent = time.monotonic()
        try:
            answer = api.call(
                operations.read_flow_run, runs.FlowRunRef(flow_run_id=uuid.UUID(run)), timeout=TRY
            )
        except PASSING:
            return
        except errors.HeadraceError as error:
            self.problems.append(f"{run} was acknowledged and cannot be read: {error.message}")
            return
        self._saw(answer, "read_flow_run", sent, time.monotonic())
        if answer.state.is_finished:
            self._open.discard(run)

    def _saw(self, answer: runs.FlowRun, what: str, sent: float, told: float) -> None:
        state = answer.state
        self.history.add(
            histories.Seen(
                str(answer.id), what, sent, told, answer.state_version, str(state.type), state.name
            )
        )
