"""The audit log: one entry for each thing that somebody did, written in the transaction that did it.

What run processes and agents report is not in it: that is the history of their runs, and so is who asked for a run.
Entries are sealed a little later, one after the other, by the loop `audit`: the digest of each covers the one before,
so that a change, or a gap, shows. Sealing them at once would let every two operations wait for each other.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from headrace import wire
from headrace.server import tables
from headrace.server.service import Service, handles, streams
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller, Download
from headrace.wire import accounts, operations, secrets
from headrace.wire import audit as wire_audit

_audit = tables.audit

#: An entry is sealed when it is so old: transactions that began before it have ended.
SETTLED = timedelta(seconds=10)
#: Entries sealed in one transaction, and read at a time.
BATCH = 500
#: What is kept of a long text, of a long list, and how deep.
_CHARACTERS, _ITEMS, _DEPTH = 300, 20, 4
_IN_PATH = re.compile(r"{(\w+)_id}")

_insert = sa.insert(_audit)
_unsealed = (
    sa.select(_audit)
    .where(_audit.c.number.is_(None), _audit.c.at < sa.bindparam("before_", type_=_audit.c.at.type))
    .order_by(_audit.c.id)
    .limit(BATCH)
)
_count_unsealed = sa.select(sa.func.count()).select_from(_audit).where(_audit.c.number.is_(None))
_last = (
    sa.select(_audit.c.number, _audit.c.sha256)
    .where(_audit.c.number.is_not(None))
    .order_by(_audit.c.number.desc())
    .limit(1)
)
_seal = sa.update(_audit).where(_audit.c.id == sa.bindparam("id_"), _audit.c.number.is_(None))
_chain = (
    sa.select(_audit).where(_audit.c.number > sa.bindparam("after")).order_by(_audit.c.number).limit(BATCH)
)
#: What a digest covers, in this order.
_SEALED = tuple(
    column.name for column in _audit.columns if column.name not in ("number", "previous_sha256", "sha256")
)


def record(
    call: Call[Any], operation: operations.Operation[Any, Any], request: wire.Message, answer: wire.Answer
) -> None:
    """Writes the entry of an operation that has just been done. Nothing for the service itself and for runs."""
    actor = _actor(call, answer)
    if actor.kind in ("system", "run", "anonymous"):
        return
    object_kind, object_id, object_name = _object(operation, request, answer)
    call.connection.execute(
        _insert,
        {
            "id": ids.uuid7(),
            "at": call.now,
            "actor_kind": actor.kind,
            "actor_name": actor.name,
            "actor_id": actor.id,
            "key_id": call.caller.key_id,
            "address": call.caller.address,
            "operation": operation.name,
            "object_kind": object_kind,
            "object_id": object_id,
            "object_name": object_name,
            "details": _brief(secrets.redacted(request)),
            "before": None if call.before is None else _brief(secrets.redacted(call.before)),
            "request_id": call.request_id or "",
        },
    )


def _actor(call: Call[Any], answer: wire.Answer) -> Caller:
    """Who did it. Whoever signs in is nobody before."""
    if call.caller.kind == "anonymous" and isinstance(answer, accounts.Me):
        return Caller("user", accounts.Role.ANONYMOUS, id=answer.id, name=answer.name)
    return call.caller


def _object(
    operation: operations.Operation[Any, Any], request: wire.Message, answer: wire.Answer
) -> tuple[str, str, str]:
    """What it was done to: named in the path, or made by it."""
    made = next(
        (part for part in (answer, *_parts(answer)) if hasattr(part, "id") and hasattr(part, "name")), None
    )
    name = str(getattr(made, "name", ""))
    in_path = _IN_PATH.findall(operation.path)
    if in_path:
        return in_path[-1], str(getattr(request, f"{in_path[-1]}_id")), name
    if isinstance(made, accounts.Me):
        return "user", str(made.id), name
    if made is not None:
        return _kind(made), str(getattr(made, "id", "")), name
    named = next((field for field in answer.__struct_fields__ if field.endswith("_id")), "")
    return named.removesuffix("_id"), str(getattr(answer, named, "")), ""


def _parts(answer: wire.Answer) -> Sequence[Any]:
    return [getattr(answer, name) for name in answer.__struct_fields__]


def _kind(made: Any) -> str:
    """FlowRun → flow_run."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(made).__name__).lower()


def _brief(value: Any, depth: int = 0) -> Any:
    """Long texts and lists are cut and say so: the log tells what was done, it does not keep it once more."""
    if isinstance(value, str):
        return value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        if depth == _DEPTH:
            return f"({len(items)} fields)" if items else {}
        return {
            name: _brief(item, depth + 1) for name, item in items.items() if item not in (None, [], {}, "")
        }
    if isinstance(value, list):
        some = cast("list[Any]", value)
        if len(some) > _ITEMS or depth == _DEPTH:
            return f"({len(some)} items)"
        return [_brief(item, depth + 1) for item in some]
    return value


# --- the chain -------------------------------------------------------------------------------------------------------


def seal(call: Call[Any]) -> int:
    """Gives numbers and digests to entries that have settled, at most `BATCH`; how many."""
    rows = call.connection.execute(_unsealed, {"before_": call.now - SETTLED}).all()
    if not rows:
        return 0
    last = call.connection.execute(_last).one_or_none()
    number, previous = (last.number, last.sha256) if last is not None else (0, "")
    for row in rows:
        number += 1
        digest = _digest(row, number, previous)
        values = {"number": number, "previous_sha256": previous, "sha256": digest}
        call.connection.execute(_seal, {"id_": row.id, **values})
        previous = digest
    return len(rows)


def waiting(call: Call[Any]) -> int:
    """How many entries are not sealed."""
    return call.connection.execute(_count_unsealed).scalar_one()


def _digest(row: Any, number: int, previous: str) -> str:
    sealed = [number, previous, *(getattr(row, name) for name in _SEALED)]
    return hashlib.sha256(msgspec.json.encode(sealed, order="deterministic")).hexdigest()


@handles(operations.verify_audit)
def verify_audit(call: Call[Any], request: wire_audit.VerifyAudit) -> wire_audit.Verified:
    """Walks the whole chain. It begins with the oldest entry that retention has left."""
    entries, first, last, digest, problem = 0, None, 0, "", ""
    while not problem and (rows := call.connection.execute(_chain, {"after": last}).all()):
        for row in rows:
            if first is None:
                first, digest, last = row.number, row.previous_sha256, row.number - 1
            if row.number != last + 1:
                problem = f"entry {last + 1} is missing"
            elif row.previous_sha256 != digest or row.sha256 != _digest(row, row.number, digest):
                problem = f"entry {row.number} is not what it was when it was sealed"
            if problem:
                break
            entries, last, digest = entries + 1, row.number, row.sha256
    return wire_audit.Verified(
        entries=entries,
        unsealed=waiting(call),
        first_number=first,
        last_number=last or None,
        last_sha256=digest,
        broken_at=last + 1 if problem else None,
        problem=problem,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def _filters(request: wire_audit.Filter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if request.actor:
        found.append(_contains(_audit.c.actor_name, request.actor))
    if request.operation:
        found.append(_audit.c.operation == request.operation.replace("-", "_"))
    if request.object_id:
        found.append(_audit.c.object_id == request.object_id)
    if request.since:
        found.append(_audit.c.at >= request.since)
    if request.until:
        found.append(_audit.c.at < request.until)
    if request.search:
        details = sa.type_coerce(_audit.c.details, sa.Text)
        found.append(
            sa.or_(_contains(_audit.c.object_name, request.search), _contains(details, request.search))
        )
    return found


def _contains(column: Any, text: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(column).contains(text.lower(), autoescape=True)


@handles(operations.list_audit)
def list_audit(call: Call[Any], request: wire_audit.ListAudit) -> wire.Page[wire_audit.Entry]:
    query = sa.select(_audit).where(*_filters(request))
    rows, following = pages.newest_first(call.connection, query, _audit.c.id, request)
    return wire.Page(items=[_entry(row) for row in rows], next=following)


@streams(operations.download_audit)
async def download_audit(service: Service, caller: Caller, request: wire_audit.DownloadAudit) -> Download:
    """Read a part at a time, so that its length costs no memory."""
    return Download("audit.ndjson", "application/x-ndjson", _lines(service, _filters(request)))


async def _lines(service: Service, conditions: list[sa.ColumnElement[bool]]) -> AsyncIterator[bytes]:
    after = None
    while True:
        query = sa.select(_audit).where(*conditions).order_by(_audit.c.id).limit(BATCH)
        if after is not None:
            query = query.where(_audit.c.id > after)

        def read(call: Call[Any], query: Any = query) -> Sequence[Any]:
            return call.connection.execute(query).all()

        rows = await service.read(read)
        if rows:
            yield b"".join(msgspec.json.encode(_entry(row)) + b"\n" for row in rows)
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def _entry(row: Any) -> wire_audit.Entry:
    return wire_audit.Entry(**{name: getattr(row, name) for name in wire_audit.Entry.__struct_fields__})
