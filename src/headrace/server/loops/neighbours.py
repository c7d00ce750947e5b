"""The line to the other servers on the same database, kept for as long as it holds and then made again."""

import logging
import random
from datetime import timedelta

from headrace import errors
from headrace.server.service import Service
from headrace.web import wakeups
from headrace.web.loops import Loop

log = logging.getLogger(__name__)

#: After a failure it is tried again within so many seconds; where messages do not arrive at all, after so long.
AGAIN, POINTLESS = (0.5, 5.0), timedelta(minutes=5)


async def run_once(service: Service) -> timedelta | None:
    """Listens until the connection ends; then it is due again soon."""
    if not service.database.shared:
        return timedelta(days=1)
    hints = service.part(wakeups.Wakeups)
    try:
        line = await service.database.line(hints.heard)
        try:
            await hints.keep(line)
        finally:
            await line.close()
    except wakeups.DeafError as error:
        log.warning("%s", error.message)
        return POINTLESS
    except errors.Unavailable as error:
        log.warning("%s", error.message)
    return timedelta(seconds=random.uniform(*AGAIN))  # noqa: S311 - spreads the tries


loop = Loop("neighbours", timedelta(seconds=1), run_once)
