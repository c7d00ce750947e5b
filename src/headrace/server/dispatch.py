"""Dispatch: agents that wait for a run, and who of them is woken for which. A hint in memory; the database decides.

One waiter is woken for a run, the next one if it does not take it. A waiter is known here *before* it looks into the
database, so that a run which comes in between finds it. Nothing here is done while nothing happens.
"""

import asyncio
import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from headrace.server.queues import Offer, Queue
from headrace.server.service import Hold, Service

#: Runs due later than this have no timer: an agent asks again before, and hears of them then.
HORIZON = timedelta(seconds=60)
#: Where other servers make runs too, somebody looks again this often, whatever is told.
POLL = timedelta(seconds=1)


@dataclasses.dataclass(eq=False)
class Waiter:
    """An agent's request that is held. `tokens` are the runs that it was woken for and has not yet looked for."""

    offer: Offer
    number: int
    hold: Hold | None = None
    tokens: dict[UUID, Queue] = dataclasses.field(default_factory=dict[UUID, Queue])


class Dispatch:
    """One a service: `service.part(dispatch.Dispatch)`. Used on the event loop's thread only."""

    def __init__(self) -> None:
        #: What agents offer, as their last claim or heartbeat found it.
        self.offers: dict[UUID, Offer] = {}
        self._waiting: dict[Offer, dict[Waiter, None]] = {}
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        #: Runs for which a waiter is on its way.
        self._tokens: set[UUID] = set()
        self._numbers = itertools.count()
        #: Tells the other servers what nobody here takes: a run and its queue, or (nothing) that all may look.
        self.elsewhere: Callable[..., None] = _nobody

    def offer(self, run_id: UUID, queue: Queue, wait: timedelta = timedelta(0)) -> None:
        """A run can be claimed, now or after a while: wakes one waiter that takes it, at its exact time."""
        if (timer := self._timers.pop(run_id, None)) is not None:
            timer.cancel()
        if wait <= timedelta(0):
            self._wake(run_id, queue)
        elif wait <= HORIZON:
            loop = asyncio.get_running_loop()
            self._timers[run_id] = loop.call_later(wait.total_seconds(), self.offer, run_id, queue)

    def taken(self, run_id: UUID) -> None:
        """The run cannot be claimed any more: nobody need be woken for it."""
        self._tokens.discard(run_id)
        if (timer := self._timers.pop(run_id, None)) is not None:
            timer.cancel()

    def wake_all(self) -> None:
        """Something has changed that may let many runs be claimed: a flow is not paused any more."""
        self._wake_here()
        self.elsewhere()

    def heard(self, run_id: str = "", queue_id: str = "", kind: str = "", *labels: str) -> None:
        """Another server has a run that nobody there takes; without words, there may be any."""
        if run_id:
            self._wake(UUID(run_id), Queue(int(queue_id), frozenset(labels), kind), here=True)
        else:
            self._wake_here()

    def _wake_here(self) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                if waiter.hold is not None:
                    waiter.hold.wake()

    def expects(self, queue: Queue) -> bool:
        """Whether an agent waits here that would take a run of this queue at once."""
        return any(waiters and offer.serves(queue) for offer, waiters in self._waiting.items())

    @property
    def waiting(self) -> int:
        """How many requests are held."""
        return sum(len(waiters) for waiters in self._waiting.values())

    async def claim(
        self, service: Service, agent_id: UUID, seconds: float, look: Callable[[], Awaitable[Any]]
    ) -> Any:
        """What `look` finds for the agent (its `assignment` is None when it finds nothing), waiting up to `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        if agent_id not in self.offers:  # since this server's start: the look makes it known
            found = await look()
            if found.assignment is not None or agent_id not in self.offers:
                return found
        with self._waiter(self.offers[agent_id]) as waiter:
            while True:
                with service.hold() as hold:
                    found = await self._look(waiter, hold, look)
                    left = deadline - loop.time()
                    if found.assignment is not None or left <= 0 or service.draining.is_set():
                        return found
                    await hold.wait(min(left, self._pause(waiter)) if service.database.shared else left)
                self._leave(waiter)
                waiter.offer = self.offers.get(agent_id, waiter.offer)

    async def _look(self, waiter: Waiter, hold: Hold, look: Callable[[], Awaitable[Any]]) -> Any:
        """Looks once, listening meanwhile. What it was woken for before has been looked for when nothing is found."""
        sought = tuple(waiter.tokens)
        waiter.hold = hold
        self._waiting.setdefault(waiter.offer, {})[waiter] = None
        found = await look()
        if found.assignment is None:
            for run_id in sought:
                waiter.tokens.pop(run_id, None)
                self._tokens.discard(run_id)
        return found

    @contextmanager
    def _waiter(self, offer: Offer) -> Generator[Waiter]:
        waiter = Waiter(offer, next(self._numbers))
        try:
            yield waiter
        finally:
            self._leave(waiter)
            for run_id, queue in waiter.tokens.items():
                if run_id in self._tokens:
                    self._wake(run_id, queue)

    def _pause(self, waiter: Waiter) -> float:
        """The first of those with one offer looks every second, the second every two …: a thousand look seven times a second."""
        alike = self._waiting.get(waiter.offer, {})
        place = next((place for place, other in enumerate(alike, 1) if other is waiter), 1)
        return place * POLL.total_seconds()

    def _leave(self, waiter: Waiter) -> None:
        waiters = self._waiting.get(waiter.offer, {})
        waiters.pop(waiter, None)
        if not waiters:
            self._waiting.pop(waiter.offer, None)

    def _wake(self, run_id: UUID, queue: Queue, *, here: bool = False) -> None:
        """Wakes one who takes the run, `here` or at any server."""
        self._tokens.discard(run_id)
        able = [waiters for offer, waiters in self._waiting.items() if waiters and offer.serves(queue)]
        if not able:
            if not here:
                self.elsewhere(str(run_id), str(queue.id), queue.kind, *queue.labels)
            return
        waiter = min((next(iter(waiters)) for waiters in able), key=lambda waiter: waiter.number)
        self._leave(waiter)
        waiter.tokens[run_id] = queue
        self._tokens.add(run_id)
        if waiter.hold is not None:
            waiter.hold.wake()


def _nobody(*words: str) -> None:
    """There are no other servers."""
