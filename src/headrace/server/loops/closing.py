"""Closing: ends the runs of deleted flows and versions, where there were more than one transaction ends."""

from datetime import timedelta

from headrace.server import deletion
from headrace.server.service import Service
from headrace.web.loops import Loop


async def run_once(service: Service) -> timedelta | None:
    """One batch; at once again while there is more."""
    moved = await service.write(deletion.close)
    return timedelta(0) if moved == deletion.BATCH else None


loop = Loop("closing", timedelta(minutes=5), run_once, leased=True)
