"""Lets runs go on that wait for a limit with free slots: the floor below what is told when a slot is freed.

The run that was let go first may find no agent, or another limit full; then the slot would stay free while others wait.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core.verdicts import SLOT_BACK_OFF
from headrace.server import parking, tables
from headrace.server.service import Service
from headrace.web.handlers import Call
from headrace.web.loops import Loop

log = logging.getLogger(__name__)

#: So many are let go at a time.
BATCH = 20

_limits = tables.limits
_slots = tables.slots
_runs = tables.flow_runs
_idle = sa.select(_limits.c.id).where(
    sa.exists().where(_slots.c.limit_id == _limits.c.id, _slots.c.run_id.is_(None)),
    sa.exists().where(_runs.c.waits_for == _limits.c.id, _runs.c.waits_for.is_not(None)),
)


async def run_once(service: Service) -> timedelta | None:
    """Looks at each limit once."""
    idle = await service.read(_look)
    for limit_id in idle:
        await service.write(lambda call, limit_id=limit_id: parking.release(call, limit_id, BATCH))
    if idle:
        log.debug("%s limits had free slots and runs that waited", len(idle))
    return None


def _look(call: Call[Any]) -> list[UUID]:
    return list(call.connection.execute(_idle).scalars())


loop = Loop("limits", SLOT_BACK_OFF, run_once)
