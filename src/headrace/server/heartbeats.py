"""Heartbeats of run processes: many are written by one statement, and an answer is held until there is an order.

A heartbeat changes no state. It renews the lease of a run that its sender holds; who has lost the run hears so.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Generator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import leases
from headrace.core.states import StateType
from headrace.server import tables
from headrace.server.leasing import Leasing
from headrace.server.service import Hold, Service
from headrace.web import many
from headrace.web.handlers import Call

_runs = tables.flow_runs

#: Signs of life are collected for so long before they are written.
COLLECT = timedelta(milliseconds=250)
#: States in which a run process holds the lease.
HELD = (StateType.RUNNING.value, StateType.CANCELLING.value)

# In the order of their ids, so that two servers never wait for each other's rows.
_look = (
    sa.select(
        *[
            *(_runs.c.id, _runs.c.state_type, _runs.c.state_name, _runs.c.state_message, _runs.c.state_at),
            *(_runs.c.not_before, _runs.c.version, _runs.c.fence, _runs.c.state_code, _runs.c.pause_wish),
            _runs.c.timeout_seconds,
        ]
    )
    .where(_runs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_runs.c.id)
    .with_for_update()
)
_renew = (
    sa.update(_runs)
    .where(_runs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(lease_until=sa.bindparam("until"), last_contact_at=sa.bindparam("moment"))
)


class Beat(NamedTuple):
    """One sign of life: who holds this fence of this run lives."""

    run_id: UUID
    fence: int


def renew(
    call: Call[Any], beats: Collection[Beat], states: Collection[str] = HELD
) -> dict[UUID, sa.Row[Any]]:
    """Renews the leases of those that hold their runs, in one statement. The rows of all runs that exist."""
    keeper = call.service.part(Leasing)
    rows = {
        row.id: row
        for row in call.connection.execute(_look, {"ids": many.padded({beat.run_id for beat in beats})})
    }
    holders = [
        row.id
        for beat in beats
        if (row := rows.get(beat.run_id)) is not None
        and row.state_type in states
        and (row.fence == beat.fence or not keeper.checks_fences)
    ]
    if holders:
        until = leases.lease_until(call.now, keeper.timing)
        call.connection.execute(_renew, {"ids": many.padded(holders), "until": until, "moment": call.now})
    return rows


class Heartbeats:
    """One a service: `service.part(heartbeats.Heartbeats)`. Used on the event loop's thread only."""

    def __init__(self) -> None:
        self._holds: dict[UUID, set[Hold]] = {}
        self._collected: set[Beat] = set()
        self._batch: asyncio.Task[dict[UUID, sa.Row[Any]]] | None = None
        #: How many statements wrote how many signs of life, for the tests and for those who measure.
        self.batches = 0
        #: Tells the other servers of a run whose heartbeat is not held here.
        self.elsewhere: Callable[[str], None] = _nobody

    def release(self, run_id: UUID) -> None:
        """There is news for whoever holds the run: held answers are given now."""
        for hold in self._holds.get(run_id, ()):
            hold.wake()
        if run_id not in self._holds:
            self.elsewhere(str(run_id))

    def heard(self, run_id: str = "") -> None:
        """Another server has news for whoever holds the run; without words, there may be some for anybody."""
        for held in tuple(self._holds) if not run_id else (UUID(run_id),):
            for hold in self._holds.get(held, ()):
                hold.wake()

    async def beat(self, service: Service, beat: Beat) -> sa.Row[Any]:
        """Renews the lease, together with those of others, and returns the run's row. Raises errors.NotFound."""
        self._collected.add(beat)
        if self._batch is None:
            self._batch = asyncio.create_task(self._write(service), name="heartbeats")
        rows = await asyncio.shield(self._batch)
        if beat.run_id not in rows:
            raise errors.NotFound(f"there is no flow run {beat.run_id}")
        return rows[beat.run_id]

    @contextlib.contextmanager
    def listening(self, run_id: UUID, hold: Hold) -> Generator[None]:
        """Inside, `release` wakes the hold."""
        holds = self._holds.setdefault(run_id, set())
        holds.add(hold)
        try:
            yield
        finally:
            holds.discard(hold)
            if not holds and self._holds.get(run_id) is holds:
                del self._holds[run_id]

    async def _write(self, service: Service) -> dict[UUID, sa.Row[Any]]:
        with service.hold() as hold:  # ends at once when the service drains
            await hold.wait(COLLECT.total_seconds())
        beats, self._collected, self._batch = self._collected, set(), None
        self.batches += 1
        return await service.write(lambda call: renew(call, beats))


def _nobody(word: str) -> None:
    """There are no other servers."""
