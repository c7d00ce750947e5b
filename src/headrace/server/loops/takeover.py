"""The takeover: every server looks, as soon as it is told that another PostgreSQL server has the database, what that means."""

import logging
from datetime import timedelta

from headrace.server import epochs, takeover
from headrace.server.service import Service
from headrace.web.loops import Loop

log = logging.getLogger(__name__)


async def run_once(service: Service) -> timedelta | None:
    """Nothing, nearly always."""
    if service.database.moved:
        await settle(service)
    return None


async def settle(service: Service) -> epochs.Begun | None:
    """Looks, and says what was done."""
    begun = await service.settle(takeover.settle)
    if begun is not None:
        log.warning(
            "another PostgreSQL server has the database since it was last looked at: epoch %s begins, %s unfinished runs"
            " have new fences, and %s that may have been started meanwhile are Crashed",
            begun.number,
            begun.fenced,
            len(begun.crashed),
        )
    return begun


loop = Loop("takeover", timedelta(seconds=1), run_once)
