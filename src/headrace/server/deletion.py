"""Archiving and deleting flows and versions: what goes is said first, and history stays until retention.

A deleted flow gives its name away and is shown with another one beside its runs. Its schedules go with it, its runs
that have not started end as Cancelled, and those under way are told to stop: at once the first ones, the others by the
loop `closing`.
"""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import reasons
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.server import flow_schedules, flows, moves, parking, tables, versions
from headrace.server.notices import Notices
from headrace.server.service import handles
from headrace.web.handlers import Call
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import versions as wire

_flows = tables.flows
_versions = tables.flow_versions
_runs = tables.flow_runs

#: So many runs are ended in one transaction.
BATCH = 200
_WAITING = ("Scheduled", "Paused")
_HELD = ("Submitted", "Running", "Cancelling")

_flow = (
    sa.select(_flows, tables.projects.c.name.label("project"))
    .join(tables.projects, tables.projects.c.id == _flows.c.project_id)
    .where(_flows.c.id == sa.bindparam("id"))
)
_touch = sa.update(_flows).where(_flows.c.id == sa.bindparam("id_"))
_hide = sa.update(_versions).where(_versions.c.id == sa.bindparam("id_"))
_version = sa.select(_versions.c.id, _versions.c.flow_id, _versions.c.number).where(
    _versions.c.id == sa.bindparam("id"), _versions.c.deleted_at.is_(None)
)
_count_versions = sa.select(sa.func.count()).where(
    _versions.c.flow_id == sa.bindparam("flow"), _versions.c.deleted_at.is_(None)
)
_count_schedules = sa.select(sa.func.count()).where(tables.schedules.c.flow_id == sa.bindparam("flow"))
_by_state = sa.select(_runs.c.state_type, sa.func.count().label("runs")).group_by(_runs.c.state_type)
#: A run that named no version takes the current one when it is claimed, and loses nothing with its own.
_keeps_version = sa.or_(
    _runs.c.version_pinned, _runs.c.state_type != "Scheduled", _runs.c.started_at.is_not(None)
)
_of_flow = _by_state.where(_runs.c.flow_id == sa.bindparam("flow"))
_of_version = _of_flow.where(_runs.c.version_id == sa.bindparam("version"), _keeps_version)
_open = (
    sa.select(*moves.FACTS, _flows.c.deleted_at, _versions.c.number)
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_versions, _versions.c.id == _runs.c.version_id)
    .where(_runs.c.state_type.in_([*_WAITING, "Submitted", "Running"]))
    .where(
        sa.or_(_flows.c.deleted_at.is_not(None), sa.and_(_versions.c.deleted_at.is_not(None), _keeps_version))
    )
    .order_by(_runs.c.id)
    .limit(BATCH)
    .with_for_update(of=_runs)
)


@handles(operations.archive_flow)
def archive_flow(call: Call[Any], request: wire.ArchiveFlow) -> wire_flows.Flow:
    """The runs that its schedules made ahead go; what was asked for by hand waits until it is brought back."""
    flow = _there(call, request.flow_id)
    if (flow.archived_at is not None) != request.archived:
        archived_at = call.now if request.archived else None
        call.connection.execute(_touch, {"id_": flow.id, "archived_at": archived_at, "updated_at": call.now})
        flow_schedules.renew(call, flow.id)
        if not request.archived:
            parking.release(call, flow.id)
        call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return flows.read_flow(call, wire_flows.FlowRef(flow_id=flow.id))


@handles(operations.preview_deletion)
def preview_deletion(call: Call[Any], request: wire.PreviewDeletion) -> wire.Deletion:
    flow = _there(call, request.flow_id)
    if request.number is None:
        return _of_whole(call, flow)
    return _of_one(call, flow, versions.find(call.connection, flow.id, request.number))


@handles(operations.delete_flow)
def delete_flow(call: Call[Any], request: wire.DeleteFlow) -> wire.Deletion:
    flow = _there(call, request.flow_id)
    gone = _of_whole(call, flow)
    _check(gone, request.confirm)
    for schedule in flow_schedules.locked(call, flow.id):
        flow_schedules.delete(call, schedule, "its flow was deleted")
    # in parentheses, which no name has: it cannot be taken, and the history of its runs reads well
    name = f"{flow.name} (deleted {flow.id.hex[-8:]})"
    values = {"name": name, "deleted_at": call.now, "archived_at": call.now, "updated_at": call.now}
    call.connection.execute(_touch, {"id_": flow.id, **values})
    close(call)
    call.after_commit(lambda: call.service.poke("closing"))
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return gone


@handles(operations.delete_version)
def delete_version(call: Call[Any], request: wire.DeleteVersion) -> wire.Deletion:
    row = call.connection.execute(_version, {"id": request.version_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow version {request.version_id}")
    flow = _there(call, row.flow_id)
    gone = _of_one(call, flow, row)
    _check(gone, request.confirm)
    call.connection.execute(_hide, {"id_": row.id, "deleted_at": call.now})
    close(call)
    call.after_commit(lambda: call.service.poke("closing"))
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return gone


def close(call: Call[Any]) -> int:
    """Ends runs of what was deleted, at most `BATCH`: how many it has moved."""
    rows = call.connection.execute(_open).all()
    for row in rows:
        what = "the flow" if row.deleted_at is not None else f"version {row.number} of the flow"
        why = reasons.because("deleted", what=what, who=call.caller.name or call.caller.kind)
        state = State(StateType.CANCELLED, "Cancelled", call.now, why.sentence, code=why.code)
        moves.move(call, row, state, Actor.USER)
    return len(rows)


def _there(call: Call[Any], flow_id: UUID) -> Any:
    row = call.connection.execute(_flow, {"id": flow_id}).one_or_none()
    if row is None or row.deleted_at is not None:
        raise errors.NotFound(f"there is no flow {flow_id}")
    return row


def _of_whole(call: Call[Any], flow: Any) -> wire.Deletion:
    asked = {"flow": flow.id}
    return _deletion(
        call,
        flow,
        call.connection.execute(_of_flow, asked).all(),
        confirm=f"{flow.project}/{flow.name}",
        versions=call.connection.execute(_count_versions, asked).scalar_one(),
        schedules=call.connection.execute(_count_schedules, asked).scalar_one(),
    )


def _of_one(call: Call[Any], flow: Any, version: Any) -> wire.Deletion:
    if version.id == flow.current_version_id:
        raise errors.Conflict(
            f"version {version.number} is the current one: make another one current before it is deleted"
        )
    counts = call.connection.execute(_of_version, {"flow": flow.id, "version": version.id}).all()
    confirm = f"{flow.project}/{flow.name} version {version.number}"
    return _deletion(call, flow, counts, confirm=confirm, versions=1, schedules=0)


def _deletion(
    call: Call[Any], flow: Any, counts: Any, *, confirm: str, versions: int, schedules: int
) -> wire.Deletion:
    by_state = {row.state_type: row.runs for row in counts}
    return wire.Deletion(
        flow=f"{flow.project}/{flow.name}",
        versions=versions,
        schedules=schedules,
        waiting=sum(by_state.get(state, 0) for state in _WAITING),
        running=sum(by_state.get(state, 0) for state in _HELD),
        kept=sum(count for state, count in by_state.items() if state not in (*_WAITING, *_HELD)),
        confirm=confirm,
    )


def _check(gone: wire.Deletion, confirm: str) -> None:
    if confirm != gone.confirm:
        raise errors.Conflict(
            f"this deletes {gone.confirm}: {gone.versions} versions, {gone.schedules} schedules, and ends {gone.waiting}"
            f" waiting and {gone.running} running runs; send {gone.confirm!r} as `confirm` to do it",
            **msgspec.to_builtins(gone),
        )
