"""Deliveries as people see them: what became of each message, and once more."""

from functools import partial
from typing import Any

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import outbox, tables
from headrace.server.service import Service, handles
from headrace.web import pages
from headrace.web.handlers import Call
from headrace.wire import notifications, operations

_rows = tables.deliveries
_channels = tables.notification_channels

_full = sa.select(
    *[column for column in _rows.c if column.name not in ("event", "about", "give_up_at")],
    _channels.c.name.label("channel"),
).outerjoin(_channels, _channels.c.id == _rows.c.channel_id)
_one = _full.where(_rows.c.id == sa.bindparam("id"))
_again = sa.update(_rows).where(_rows.c.id == sa.bindparam("delivery"), _rows.c.state != "delivered")


@handles(operations.list_deliveries)
def list_deliveries(
    call: Call[Service], request: notifications.ListDeliveries
) -> wire.Page[notifications.Delivery]:
    asked = pages.given(
        {
            _rows.c.state: request.state,
            _rows.c.channel_id: request.channel_id,
            _rows.c.flow_run_id: request.flow_run_id,
        }
    )
    kept, following = pages.newest_first(call.connection, _full.where(*asked), _rows.c.id, request)
    return wire.Page(items=[_delivery(row) for row in kept], next=following)


@handles(operations.retry_delivery)
def retry_delivery(call: Call[Service], request: notifications.DeliveryRef) -> notifications.Delivery:
    """Due at once, and for another day."""
    row = _read(call, request.delivery_id)
    if row.state == "delivered":
        raise errors.Conflict(f"delivery {row.id} was delivered at {row.finished_at:%Y-%m-%d %H:%M:%S} UTC")
    values = {
        "state": "waiting",
        "next_at": call.now,
        "give_up_at": call.now + outbox.PATIENCE,
        "finished_at": None,
    }
    call.connection.execute(_again.values(values), {"delivery": row.id})
    call.after_commit(partial(call.service.poke, "outbox"))
    return _delivery(_read(call, row.id))


def _read(call: Call[Service], delivery_id: int) -> sa.Row[Any]:
    row = call.connection.execute(_one, {"id": delivery_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no delivery {delivery_id}")
    return row


def _delivery(row: sa.Row[Any]) -> notifications.Delivery:
    return notifications.Delivery(
        id=row.id,
        event_id=row.event_id,
        channel_id=row.channel_id,
        channel=row.channel,
        rule=row.rule,
        flow_run_id=row.flow_run_id,
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at,
        next_at=row.next_at if row.state == "waiting" else None,
        finished_at=row.finished_at,
    )
