"""The timekeeper: looks whether SLAs are kept: at the times that are set, and at the runs under way or just ended.

It looks beside the writer and records each miss in a transaction of its own; one that cannot be recorded keeps no other back.
"""

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from headrace import errors
from headrace.server import slas
from headrace.server.service import Service
from headrace.web.loops import Loop

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=5)
#: A server that has not looked before looks back so far at runs that have ended, and one that has a little further than that.
FIRST_LOOK, OVERLAP = timedelta(minutes=10), timedelta(seconds=10)


class Looked:
    """When this server looked last."""

    def __init__(self) -> None:
        self.at: datetime | None = None


async def run_once(service: Service) -> timedelta | None:
    """Looks at everything once."""
    looked = service.part(Looked)
    moment, due, late = await service.read(lambda call: (call.now, slas.due(call), slas.late(call)))
    missed = 0
    for sla_id in due:
        missed += await service.write(partial(slas.check_deadline, sla_id=sla_id))
    missed += await _record(service, late)
    since = moment - FIRST_LOOK if looked.at is None else looked.at - OVERLAP
    for ended in (False, True):
        after: UUID | None = UUID(int=0)
        while after is not None:
            broken, after = await service.read(partial(slas.watched, since=since, after=after, ended=ended))
            missed += await _record(service, broken)
    looked.at = moment
    if missed:
        log.info("%s SLAs were missed", missed)
    return None


async def _record(service: Service, found: list[slas.Missed]) -> int:
    recorded = 0
    for each in found:
        try:
            recorded += await service.write(partial(slas.record, missed=each))
        except errors.HeadraceError as error:
            log.warning("a missed SLA of run %s could not be recorded: %s", each.key, error)
    return recorded


loop = Loop("timekeeper", EVERY, run_once)
