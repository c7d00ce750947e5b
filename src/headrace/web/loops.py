"""Loops: the periodic duties of a service, all of one shape.

A loop claims work in one transaction, does its I/O with none open, and records in another. Every server runs it, and doing
it twice is harmless. For work that nobody waits for a lease row lets one at a time do it, to save the others the looking.
An error never ends it.
"""

import asyncio
import dataclasses
import logging
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headrace import errors
from headrace.web import ids

if TYPE_CHECKING:
    from headrace.web import handlers, service

log = logging.getLogger(__name__)

#: How long a lease lasts: so long a server that was killed keeps a loop from the others.
LEASE = timedelta(seconds=15)
#: After errors in a row the loop waits up to this long.
LONGEST_BACKOFF = timedelta(seconds=60)


@dataclasses.dataclass(frozen=True)
class Loop:
    """A duty: `run_once(service)` does it and returns when it is due again (None: after `every`).

    One that is `leased` is done by one server at a time; the others look again when its lease may be over.
    """

    name: str
    every: timedelta
    run_once: Callable[[Any], Awaitable[timedelta | None]]
    leased: bool = False


class Running:
    """A loop at work for one service. `runs` counts how often it was done, `error` is how it failed last, if it did, and
    `age` tells the seconds since.
    """

    def __init__(self, loop: Loop, service: "service.Service") -> None:
        self.loop = loop
        self.runs = 0
        self.error: Exception | None = None
        self._done_at = time.monotonic()
        self._service = service
        self._poked = asyncio.Event()
        self._ran = asyncio.Condition()
        self._lease = _Lease(loop, service)
        self._failures = 0

    @property
    def age(self) -> float:
        return time.monotonic() - self._done_at

    def poke(self) -> None:
        """Lets it run now; on the event loop's thread only."""
        self._poked.set()

    async def ran(self, count: int = 1) -> None:
        """Waits until it was done `count` more times."""
        wanted = self.runs + count
        async with self._ran:
            await self._ran.wait_for(lambda: self.runs >= wanted)

    async def run(self) -> None:
        """Does the duty again and again until it is cancelled."""
        delay = timedelta(seconds=random.uniform(0, min(self.loop.every.total_seconds(), 1)))  # noqa: S311 - only spreads the starts
        while True:
            await self._sleep(delay)
            delay = await self._once()
            async with self._ran:
                self.runs += 1
                self._done_at = time.monotonic()
                self._ran.notify_all()

    async def _sleep(self, delay: timedelta) -> None:
        try:
            async with asyncio.timeout(max(delay.total_seconds(), 0)):
                await self._poked.wait()
        except TimeoutError:
            pass
        self._poked.clear()

    async def _once(self) -> timedelta:
        try:
            if self.loop.leased and not await self._lease.hold():
                return min(self.loop.every, LEASE)
            delay = await self.loop.run_once(self._service)
        except Exception as error:  # noqa: BLE001 - an error never ends a loop; it is logged and tried again
            return self._failed(error)
        self._failures, self.error = 0, None
        return self.loop.every if delay is None else delay

    def _failed(self, error: Exception) -> timedelta:
        self._failures += 1
        self.error = error
        delay = min(self.loop.every * 2 ** min(self._failures, 10), LONGEST_BACKOFF)
        known = isinstance(error, errors.HeadraceError)
        log.error(
            "the loop %s failed (%s in a row), again in %.1f s: %s",
            self.loop.name,
            self._failures,
            delay.total_seconds(),
            error,
            exc_info=None if known else error,
        )
        return delay


async def run_all(service: "service.Service", table: Iterable[Loop]) -> None:
    """Runs the loops until it is cancelled; `service.loops` has them meanwhile."""
    running = {loop.name: Running(loop, service) for loop in table}
    service.loops = running
    try:
        async with asyncio.TaskGroup() as group:
            for loop in running.values():
                group.create_task(loop.run(), name=f"loop {loop.loop.name}")
            await asyncio.Event().wait()  # there may be none
    finally:
        service.loops = {}


class _Lease:
    """Lets one of several servers do a loop. A database that is not shared needs none."""

    def __init__(self, loop: Loop, service: "service.Service") -> None:
        self._name = loop.name
        self._service = service
        self._holder = f"{socket.gethostname()}/{ids.uuid7()}"
        #: Until when to trust the row, on the monotonic clock. Counted from before the question, so it ends early.
        self._trusted = 0.0
        table = service.tables.loop_leases
        moment, end = (sa.bindparam(name, type_=table.c.until.type) for name in ("moment", "end"))
        # one that ends later than any granted now was granted before the clock was set back
        mine = sa.or_(table.c.holder == sa.bindparam("me"), table.c.until < moment, table.c.until > end)
        self._take = sa.update(table).where(table.c.loop == sa.bindparam("name"), mine).values(
            holder=sa.bindparam("me"), until=end
        )  # fmt: skip
        self._find = sa.select(table.c.holder).where(table.c.loop == sa.bindparam("name"))
        self._make = table.insert()

    async def hold(self) -> bool:
        if not self._service.database.shared:
            return True
        asked = time.monotonic()
        if asked < self._trusted:
            return True
        held = await self._service.write(self._row)
        if held:
            self._trusted = asked + LEASE.total_seconds() / 2
        return held

    def _row(self, call: "handlers.Call[Any]") -> bool:
        end = call.now + LEASE
        values = {"name": self._name, "me": self._holder, "moment": call.now, "end": end}
        if call.connection.execute(self._take, values).rowcount:
            return True
        if call.connection.execute(self._find, {"name": self._name}).first() is not None:
            return False
        # Of two servers that find no row one inserts it; the other's transaction is tried again and finds it.
        call.connection.execute(self._make, {"loop": self._name, "holder": self._holder, "until": end})
        return True
