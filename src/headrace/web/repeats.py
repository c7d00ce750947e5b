"""What was answered to a request id, so that a request whose answer was lost can be sent again and has one effect."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.web import handlers
from headrace.wire import operations

#: The longest request id.
LONGEST = 200


class Repeats:
    """Answers by caller and request id, kept in `table`."""

    def __init__(self, table: sa.Table) -> None:
        self._find = sa.select(table.c.operation, table.c.body_sha256, table.c.answer).where(
            table.c.caller == sa.bindparam("caller"), table.c.id == sa.bindparam("id")
        )
        self._keep = table.insert()

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
        row = call.connection.execute(self._find, {"caller": caller, "id": call.request_id}).one_or_none()
        if row is not None:
            if (row.operation, bytes(row.body_sha256)) != (operation.name, digest):
                raise errors.Invalid(
                    f"the request id {call.request_id!r} was used for another request: take a new one for each",
                    fields={"Idempotency-Key": "used before"},
                )
            return _again(call, handler, operation, request, row.answer)
        answer = handler(call, request)
        self._remember(call, caller, operation, request, digest, answer)
        return answer

    def _remember(
        self,
        call: handlers.Call[Any],
        caller: str,
        operation: operations.Operation[Any, Any],
        request: wire.Message,
        digest: bytes,
        answer: wire.Answer,
    ) -> None:
        kept: bytes | None = None
        if operation.repeat is operations.Repeat.ANSWER:
            kept = msgspec.json.encode(answer)
        elif operation.repeat is operations.Repeat.REBUILD:
            if call.keep is None:
                return
            kept = msgspec.json.encode(call.keep)
        run_id: UUID | None = call.flow_run_id or getattr(request, "flow_run_id", None)
        values: dict[str, str | bytes | datetime | UUID | None] = {
            "caller": caller,
            "id": call.request_id,
            "operation": operation.name,
            "body_sha256": digest,
            "answer": None if kept is None else kept.decode(),
            "flow_run_id": run_id,
            "created_at": call.now,
        }
        call.connection.execute(self._keep, values)


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
