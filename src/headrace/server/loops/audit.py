"""The audit log's chain: gives the entries of the audit log their numbers and digests, once they have settled."""

from datetime import timedelta

from headrace.server import audit
from headrace.server.service import Service
from headrace.web.loops import Loop


async def run_once(service: Service) -> timedelta | None:
    """One batch; at once again while there is more. Where nothing waits, nothing is written."""
    if await service.read(audit.waiting) == 0:
        return None
    sealed = await service.write(audit.seal)
    return timedelta(0) if sealed == audit.BATCH else None


loop = Loop("audit", timedelta(seconds=30), run_once, leased=True)
