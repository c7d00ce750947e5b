"""What was answered to a request id, so that a request whose answer was lost can be sent again and has one effect."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.web import handlers
from headrace.wire import operations

#: The longest request id.
LONGEST = 200
_RESERVED = ("caller", "id", "operation", "body_sha256", "created_at")


class Repeats:
    """Answers by caller and request id, kept in `table`."""

    def __init__(self, table: sa.Table) -> None:
        # Whoever comes second with an id waits here until the first one's transaction has ended: looking for the row before
        # the work and inserting it after would let two of them work side by side.
        self._reserve = sa.text(
            f"INSERT INTO {table.name} (caller, id, operation, body_sha256, created_at)"  # noqa: S608 - our own table's name
            " VALUES (:caller, :id, :operation, :body_sha256, :created_at) ON CONFLICT (caller, id) DO NOTHING"
        ).bindparams(*(sa.bindparam(name, type_=table.c[name].type) for name in _RESERVED))
        self._find = sa.select(table.c.operation, table.c.body_sha256, table.c.answer).where(
            table.c.caller == sa.bindparam("caller"), table.c.id == sa.bindparam("id")
        )
        self._insert = table.insert()
        self._keep = table.update().where(
            table.c.caller == sa.bindparam("of_caller"), table.c.id == sa.bindparam("of_id")
        )

    def perform(
        self,
        call: handlers.Call[Any],
        handler: handlers.Handler,
        operation: operations.Operation[Any, Any],
        request: wire.Message,
    ) -> wire.Answer:
        """The handler's answer, or the first one again where the call's request id is known.

        Raises errors.Invalid when the id was used for another request, errors.Conflict when the first answer held a
        secret that is not kept.
        """
        caller = _name(call.caller)
        if call.request_id is None or caller is None or operation.repeat is operations.Repeat.NATURAL:
            return handler(call, request)
        digest = _digest(request)
        known = {"caller": caller, "id": call.request_id}
        facts = known | {"operation": operation.name, "body_sha256": digest, "created_at": call.now}
        rebuilds = operation.repeat is operations.Repeat.REBUILD
        if rebuilds:
            # often there is nothing to keep, as in each look of a held claim: a second one who keeps something at the
            # same time is rolled back by the key, and finds the first one's when it is tried again
            row = call.connection.execute(self._find, known).one_or_none()
        elif call.connection.execute(self._reserve, facts).rowcount == 0:
            row = call.connection.execute(self._find, known).one()
        else:
            row = None
        if row is not None:
            if (row.operation, bytes(row.body_sha256)) != (operation.name, digest):
                raise errors.Invalid(
                    f"the request id {call.request_id!r} was used for another request: take a new one for each",
                    fields={"Idempotency-Key": "used before"},
                )
            return _again(call, handler, operation, request, row.answer)
        answer = handler(call, request)
        run_id: UUID | None = call.flow_run_id or getattr(request, "flow_run_id", None)
        if rebuilds and call.keep is not None:
            kept = msgspec.json.encode(call.keep).decode()
            call.connection.execute(self._insert, facts | {"answer": kept, "flow_run_id": run_id})
        elif not rebuilds:
            secret = operation.repeat is operations.Repeat.REFUSE
            kept = None if secret else msgspec.json.encode(answer).decode()
            mine = {"of_caller": caller, "of_id": call.request_id}
            call.connection.execute(self._keep, mine | {"answer": kept, "flow_run_id": run_id})
        return answer


def _digest(request: wire.Message) -> bytes:
    """What is asked for. How long the answer may be held back is no part of it."""
    if "wait_seconds" in request.__struct_fields__:
        request = msgspec.structs.replace(request, wait_seconds=0)
    return hashlib.sha256(msgspec.json.encode(request)).digest()


def checked(request_id: str | None) -> str | None:
    """The request id, if it may be one."""
    if request_id is not None and not (0 < len(request_id) <= LONGEST and request_id.isprintable()):
        raise errors.Invalid(
            f"a request id has 1 to {LONGEST} printable characters",
            fields={"Idempotency-Key": "not a request id"},
        )
    return request_id


def _again(
    call: handlers.Call[Any],
    handler: handlers.Handler,
    operation: operations.Operation[Any, Any],
    request: wire.Message,
    kept: str | None,
) -> wire.Answer:
    if operation.repeat is operations.Repeat.REFUSE or kept is None:
        raise errors.Conflict(
            "this was already made by the first request of this id, and its secret is not kept: revoke it, then repeat"
            " with a new request id"
        )
    if operation.repeat is operations.Repeat.REBUILD:
        call.replay = msgspec.json.decode(kept)
        return handler(call, request)
    answer: wire.Answer = msgspec.json.decode(kept, type=operation.answer)
    return answer


def _name(caller: handlers.Caller) -> str | None:
    """Who a request id belongs to. A run process's belongs to its attempt."""
    if caller.run_id is not None:
        return f"run:{caller.run_id}:{caller.run_fence}"
    return None if caller.id is None else f"{caller.kind}:{caller.id}"
