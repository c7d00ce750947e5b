"""What is known of every workload of one agent, kept up to date by watches, and who wants to hear of changes."""

import dataclasses
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from headrace import launch
from headrace.launch.kubernetes import api, jobs, objects, reading

logger = logging.getLogger("headrace.agent")

T = TypeVar("T", objects.Pod, objects.Job)

#: Seconds between two looks at what changes with time alone, and between two questions for a pod's events.
TICK_SECONDS = 2.0
EVENT_SECONDS = 4.0
LONGEST_PAUSE = 15.0
#: Within so many seconds a node says that a container has begun.
SETTLE_SECONDS = 5.0


@dataclasses.dataclass(eq=False)
class Card:
    """One workload. `pods` are all that its Job has had, in the order in which they came."""

    name: str
    job: objects.Job | None = None
    job_gone: bool = False
    pods: dict[str, objects.Pod] = dataclasses.field(default_factory=dict[str, objects.Pod])
    gone: set[str] = dataclasses.field(default_factory=set[str])
    #: Those whose container has begun, whatever is said of it later; those that were being deleted in good order.
    begun: set[str] = dataclasses.field(default_factory=set[str])
    leaving: set[str] = dataclasses.field(default_factory=set[str])
    events: tuple[objects.Event, ...] = ()
    #: What the one who follows has seen last.
    observed: launch.Observation | None = None
    pipes: list[int] = dataclasses.field(default_factory=list[int])
    #: Since when it waits for the same kind of thing; since when nobody knows whether it goes on.
    waits_since: float | None = None
    unseen_since: float | None = None
    asked_at: float = 0.0
    #: When the agent has made its Job, and when it has deleted it.
    made_at: float | None = None
    deleted_at: float | None = None
    forgotten: bool = False

    def pod(self) -> str | None:
        """The pod that counts, by its uid: the one whose container has begun, else the first."""
        return next((uid for uid in self.pods if uid in self.begun), next(iter(self.pods), None))

    def seen(self) -> reading.Seen:
        uid = self.pod()
        return reading.Seen(
            job=self.job,
            job_gone=self.job_gone,
            pod=None if uid is None else self.pods[uid],
            pod_gone=uid in self.gone,
            left=uid in self.leaving,
            events=self.events,
        )

    def is_gone(self) -> bool:
        """Whether nothing of it is in the cluster."""
        return (self.job is None or self.job_gone) and self.gone.issuperset(self.pods)

    def is_over(self) -> bool:
        """Whether nothing of it runs any more, or ever will, once it has been deleted.

        Of a pod whose container has never begun that is so after a moment, within which it would be said that it has: a
        pod that is being deleted begins nothing, but to be gone it may take a node half a minute.
        """
        if not (self.job is None or self.job_gone):
            return False
        settled = self.deleted_at is not None and time.monotonic() - self.deleted_at >= SETTLE_SECONDS
        return all(
            uid in self.gone or reading.is_over(pod) or (settled and uid not in self.begun)
            for uid, pod in self.pods.items()
        )


class Board:
    """The workloads with one agent's label.

    `patience` is how many seconds a pod may wait for what may still come, `unseen` how many have to pass until a run is
    certainly over that nobody has seen end.
    """

    def __init__(self, cluster: api.Api, agent: str, *, patience: float, unseen: float) -> None:
        self._api = cluster
        self._query = {"labelSelector": f"{jobs.AGENT}={agent}"}
        self._patience, self._unseen = patience, unseen
        self._cards: dict[str, Card] = {}
        # a lock that its holder may take again: what is asked for is often made of what else is asked for
        self._changed = threading.Condition(threading.RLock())
        self._stop = threading.Event()
        self._chores: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._trouble = self._reason = ""
        self._pods: Watch[objects.Pod] = Watch("pods", objects.Pod, self)
        self._jobs: Watch[objects.Job] = Watch("jobs", objects.Job, self)

    def start(self) -> None:
        for work in (self._jobs.run, self._pods.run, self._tick):
            threading.Thread(target=work, name="headrace-kubernetes", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            for card in self._cards.values():
                _tell(card)

    # --- asking ---

    def await_start(self, seconds: float) -> tuple[str, str]:
        """Waits until all that is there has been listed. The words and the code of why that cannot be, or nothing."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_complete() or self._stop.is_set(), seconds)
            if self._is_complete():
                return "", ""
            return self._trouble or f"{self._api.server} has not answered yet.", self._reason or "engine_down"

    def names(self) -> list[str]:
        with self._changed:
            return [name for name, card in self._cards.items() if not (card.forgotten or card.is_gone())]

    def card(self, name: str) -> Card:
        """The workload's card; one that the cluster does not know, once everything has been listed, is gone."""
        with self._changed:
            if name not in self._cards:
                self._cards[name] = Card(name, job_gone=self._is_complete())
            return self._cards[name]

    def expect(self, name: str, job: objects.Job) -> None:
        """A Job that has just been made."""
        with self._changed:
            card = self._cards.setdefault(name, Card(name))
            card.job, card.job_gone, card.made_at = card.job or job, False, time.monotonic()

    def observation(self, name: str) -> launch.Observation:
        with self._changed:
            card = self.card(name)
            card.observed = self._read(card)
            return card.observed

    def follow(self, name: str) -> int:
        """A descriptor that can be read once the observation is another one than was given last."""
        with self._changed:
            card = self.card(name)
            reading_end, writing_end = os.pipe()
            card.pipes.append(writing_end)
            self._look(card)
            return reading_end

    def await_end(self, card: Card, seconds: float) -> bool:
        """Waits until nothing of a deleted workload runs."""
        with self._changed:
            card.deleted_at = card.deleted_at or time.monotonic()
            return self._changed.wait_for(card.is_over, seconds)

    def has_begun(self, card: Card) -> bool:
        with self._changed:
            return bool(card.begun)

    def remove(self, name: str) -> None:
        """Nobody asks for it any more; it is kept until the cluster has said that it is gone."""
        with self._changed:
            card = self._cards.get(name)
            if card is not None:
                card.forgotten = True
                _tell(card)
                self._drop_forgotten()

    # --- what the watches tell ---

    def listed(self, kind: str, found: list[Any], asked_at: float) -> None:
        """All that there was of a kind when it was asked for: what is not in it is gone."""
        uids = {item.metadata.uid for item in found}
        with self._changed:
            for item in found:
                self._put(item)
            for card in self._cards.values():
                if kind == "pods":
                    card.gone |= card.pods.keys() - uids
                elif (card.made_at or 0.0) < asked_at:
                    card.job_gone = card.job is None or card.job.metadata.uid not in uids
                self._look(card)
            self._drop_forgotten()
            self._changed.notify_all()

    def changed(self, kind: str, item: Any) -> None:
        with self._changed:
            card = self._put(item)
            if kind == "DELETED":
                if isinstance(item, objects.Job):
                    card.job_gone = True
                else:
                    card.gone.add(item.metadata.uid)
            self._look(card)
            self._drop_forgotten()
            self._changed.notify_all()

    def fails(self, words: str, reason: str = "") -> None:
        """A watch cannot go on just now."""
        with self._changed:
            if words and words != self._trouble:
                logger.warning("%s The agent tries again.", words)
            self._trouble, self._reason = words, reason

    def stopping(self, seconds: float = 0.0) -> bool:
        return self._stop.wait(seconds)

    def query(self) -> dict[str, str]:
        return dict(self._query)

    @property
    def cluster(self) -> api.Api:
        return self._api

    # --- underneath, with the lock held ---

    def _is_complete(self) -> bool:
        return self._pods.is_listed and self._jobs.is_listed

    def _drop_forgotten(self) -> None:
        for name in [name for name, card in self._cards.items() if card.forgotten and card.is_gone()]:
            del self._cards[name]

    def _put(self, item: objects.Pod | objects.Job) -> Card:
        labels = item.metadata.labels or {}
        name = f"{labels.get(jobs.RUN)}-{labels.get(jobs.FENCE)}"
        card = self._cards.setdefault(name, Card(name))
        if isinstance(item, objects.Job):
            card.job = item
            card.job_gone = False
        else:
            uid, metadata = item.metadata.uid, item.metadata
            card.pods[uid] = item
            if metadata.deletion_timestamp is not None and metadata.deletion_grace_period_seconds:
                if uid not in card.leaving and card.deleted_at is None:
                    # who has deleted it may have said why
                    self._chores.put(lambda: self._ask(card, uid))
                card.leaving.add(uid)
            if reading.has_run(item) and uid not in card.begun:
                card.begun.add(uid)
                # Whoever may read Secrets need not find this one, and no second pod can be given it.
                self._chores.put(lambda: self._api.delete("secrets", jobs.name_of(name)))
        return card

    def _read(self, card: Card) -> launch.Observation:
        """What the objects say, and what follows from how long they have said it."""
        seen, now = card.seen(), time.monotonic()
        found = reading.observation(seen, datetime.now(UTC))
        waits = found.phase is launch.Phase.PENDING and bool(found.code)
        card.waits_since = (card.waits_since or now) if waits else None
        if card.waits_since is not None and now - card.waits_since > self._patience:
            words = f"{found.reason} It has been waited for {self._patience:g} s."
            return msgspec.structs.replace(found, phase=launch.Phase.GONE, reason=words)
        unseen = found.phase is launch.Phase.GONE and reading.is_unseen_end(seen)
        card.unseen_since = (card.unseen_since or now) if unseen else None
        if card.unseen_since is not None and now - card.unseen_since < self._unseen:
            return launch.Observation(launch.Phase.RUNNING)
        return found

    def _look(self, card: Card) -> None:
        if self._read(card) != card.observed:
            _tell(card)

    # --- what no watch tells ---

    def _tick(self) -> None:
        while not self._stop.is_set():
            try:
                chore = self._chores.get(timeout=TICK_SECONDS)
            except queue.Empty:
                self._ask_for_events()
                with self._changed:
                    for card in self._cards.values():
                        self._look(card)
                    self._changed.notify_all()
            else:
                try:
                    chore()
                except (api.Refusal, api.Silence) as error:
                    logger.warning("a run's Secret could not be deleted: %s", error)

    def _ask_for_events(self) -> None:
        """Events carry no labels, so that they cannot be watched; they are asked for where a pod takes its time."""
        for card, uid in self._slow():
            self._ask(card, uid)

    def _ask(self, card: Card, uid: str) -> None:
        query = {"fieldSelector": f"involvedObject.uid={uid}"}
        try:
            found = self._api.list("events", objects.Event, query, patience=0)
        except (api.Refusal, api.Silence) as error:
            logger.debug("no events of %s: %s", card.name, error)
            return
        with self._changed:
            card.events = tuple(found.items or ())

    def _slow(self) -> list[tuple[Card, str]]:
        now, found = time.monotonic(), list[tuple[Card, str]]()
        with self._changed:
            for card in self._cards.values():
                seen = card.seen()
                subject = seen.pod or seen.job
                waits = self._read(card).phase is launch.Phase.PENDING and subject is not None
                if waits and now - card.asked_at >= EVENT_SECONDS:
                    if card.asked_at and subject is not None:
                        found.append((card, subject.metadata.uid))
                    card.asked_at = now
        return found


class Watch(Generic[T]):
    """One kind of object: listed, then watched from there on, and listed again when the server has forgotten where it was."""

    def __init__(self, kind: str, type: type[T], board: Board) -> None:  # noqa: A002 - what msgspec calls it
        self._kind, self._type, self._board = kind, type, board
        self.is_listed = False

    def run(self, version: str = "") -> None:
        """Until the board is closed, from that version on."""
        failures = 0
        while not self._board.stopping():
            try:
                version = version or self._list()
                for change in self._board.cluster.watch(
                    self._kind, {**self._board.query(), "resourceVersion": version}
                ):
                    version = self._take(change) or version
                    failures = 0
                    if self._board.stopping():
                        return
                failures = 0
                self._board.fails("")
            except (api.Refusal, api.Silence, msgspec.DecodeError) as error:
                if isinstance(error, api.Refusal):
                    # 410: what has happened since is not known any more
                    version = ""
                    if error.status == 410:
                        continue
                failures += 1
                refused = isinstance(error, api.Refusal) and error.status in (401, 403)
                words = f"the agent cannot see the {self._kind} of the cluster: {error}."
                self._board.fails(words, "cluster_refused" if refused else "")
                self._board.stopping(random.uniform(0.1, min(LONGEST_PAUSE, 0.2 * 2**failures)))  # noqa: S311 - jitter, no secret

    def _list(self) -> str:
        asked_at = time.monotonic()
        found = self._board.cluster.list(self._kind, self._type, self._board.query(), patience=0)
        self.is_listed = True
        self._board.listed(self._kind, found.items or [], asked_at)
        self._board.fails("")
        return found.metadata.resource_version

    def _take(self, change: objects.Change) -> str:
        """Passes a change on; the answer is where the watch has got to."""
        if change.type == "ERROR":
            status = msgspec.json.decode(change.object, type=objects.Status)
            raise api.Refusal(status.code or 500, status.reason, status.message)
        item = msgspec.json.decode(change.object, type=self._type)
        if change.type != "BOOKMARK":
            self._board.changed(change.type, item)
        return item.metadata.resource_version


def _tell(card: Card) -> None:
    """Who follows can read the end of its pipe."""
    while card.pipes:
        os.close(card.pipes.pop())
