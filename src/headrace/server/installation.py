"""What holds for the whole installation: the switch that pauses everything."""

from typing import Any

import sqlalchemy as sa

from headrace.server import dispatch, tables
from headrace.server.notices import Notices
from headrace.server.service import handles
from headrace.web.handlers import Call
from headrace.wire import operations, schedules

_installation = tables.installation

_read = sa.select(_installation)
_lock = _read.with_for_update()
_write = sa.update(_installation)

#: As a column of other statements: is everything paused?
PAUSED = sa.select(_installation.c.paused).scalar_subquery()


@handles(operations.read_settings)
def read_settings(call: Call[Any], request: schedules.ReadSettings) -> schedules.Settings:
    return _settings(call.connection.execute(_read).one())


@handles(operations.update_settings)
def update_settings(call: Call[Any], request: schedules.UpdateSettings) -> schedules.Settings:
    """Paused, the schedules' time stands still: what falls into the pause is missed, and each schedule's policy decides."""
    before = call.connection.execute(_lock).one()
    if request.paused is None or request.paused == before.paused:
        return _settings(before)
    values: dict[str, Any] = {
        "paused": request.paused,
        "paused_at": call.now if request.paused else None,
        "paused_by": call.caller.name if request.paused else "",
        "paused_reason": request.reason if request.paused else "",
    }
    if request.paused:
        values["scheduler_at"] = call.now
    call.connection.execute(_write, values)
    call.after_commit(lambda: call.service.part(Notices).changed("settings"))
    call.after_commit(lambda: call.service.part(Notices).changed("flow_runs"))
    if not request.paused:
        call.after_commit(call.service.part(dispatch.Dispatch).wake_all)
        call.after_commit(lambda: call.service.poke("scheduler"))
    return _settings(call.connection.execute(_read).one())


def _settings(row: Any) -> schedules.Settings:
    return schedules.Settings(
        paused=row.paused,
        paused_at=row.paused_at,
        paused_by=row.paused_by,
        paused_reason=row.paused_reason,
    )
