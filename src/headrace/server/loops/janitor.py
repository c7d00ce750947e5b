"""The janitor: forgets what nobody can ask for any more, a few rows at a time."""

from datetime import timedelta

import sqlalchemy as sa

from headrace.server import sessions, tables
from headrace.server.service import Service
from headrace.web import handlers, loops

#: Answers to request ids are kept this long, those of a run as long as the run.
KEPT = timedelta(days=7)
#: Rows removed in one transaction.
AT_ONCE = 500

_requests = tables.requests
_old = (
    sa.select(_requests.c.caller, _requests.c.id)
    .where(_requests.c.flow_run_id.is_(None), _requests.c.created_at < sa.bindparam("before"))
    .limit(AT_ONCE)
)
_forget = sa.delete(_requests).where(
    _requests.c.caller == sa.bindparam("caller_"), _requests.c.id == sa.bindparam("id_")
)


async def run_once(service: Service) -> timedelta | None:
    """One round; at once again while there is more."""
    removed = await service.write(_round)
    return timedelta(seconds=1) if removed == AT_ONCE else None


def _round(call: handlers.Call[Service]) -> int:
    sessions.forget_old(call, call.now)
    rows = call.connection.execute(_old, {"before": call.now - KEPT}).all()
    if rows:
        call.connection.execute(_forget, [{"caller_": row.caller, "id_": row.id} for row in rows])
    return len(rows)


loop = loops.Loop("janitor", timedelta(hours=1), run_once)
