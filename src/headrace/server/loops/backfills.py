"""Backfills at work: makes their next runs when others have ended, and cancels the runs of those that were cancelled."""

from datetime import timedelta

from headrace.server import backfills
from headrace.server.service import Service
from headrace.web.loops import Loop

#: A run that ended on another server is noticed after this.
EVERY = timedelta(seconds=5)


async def run_once(service: Service) -> timedelta | None:
    """One batch for each; at once again while there is more."""
    more = False
    for backfill_id in await service.read(backfills.at_work):
        more |= await service.write(lambda call, of=backfill_id: backfills.go_on(call, of)) == backfills.BATCH
    for backfill_id in await service.read(backfills.to_stop):
        more |= await service.write(lambda call, of=backfill_id: backfills.stop(call, of)) == backfills.BATCH
    return timedelta(0) if more else None


loop = Loop("backfills", EVERY, run_once)
