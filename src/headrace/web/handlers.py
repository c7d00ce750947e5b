"""How an operation gets its behaviour: `@handles` for what happens in a transaction, and what a handler is given.

Handlers are plain functions of a call and a request; they talk to `call.connection` and know no HTTP, so loops call
them too. What costs more than a millisecond of CPU goes into a `@prepares` step, on a thread before the transaction.
Only waiting is asynchronous: an operation whose answer may be held has `@waits` around its handler.
"""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.wire import accounts
from headrace.wire.operations import Operation

Req = TypeVar("Req", bound=wire.Message)
Ans = TypeVar("Ans", bound=wire.Answer)
Service = TypeVar("Service")


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who calls. `run_id` and `run_fence` are set for a run process, whose token is good for that run and fence alone."""

    kind: str
    role: accounts.Role
    id: UUID | None = None
    name: str = ""
    key_id: UUID | None = None
    session_id: UUID | None = None
    run_id: UUID | None = None
    run_fence: int | None = None
    #: The network address of the request, for counting failed sign-ins.
    address: str = ""

    def may(self, permission: accounts.Permission) -> bool:
        return permission in accounts.ALLOWS[self.role]


#: Whoever has not signed in.
ANONYMOUS = Caller("anonymous", accounts.Role.ANONYMOUS)

#: The service itself: loops act as this.
SYSTEM = Caller("system", accounts.Role.ADMINISTRATOR, name="headrace")


@dataclasses.dataclass
class Effects:
    """What a handler wants of the answer's envelope. `session` is the token of a session begun ("" ends it)."""

    session: str | None = None


@dataclasses.dataclass
class Call(Generic[Service]):
    """One command inside its transaction. `now` is the transaction's time, the only clock there is."""

    connection: sa.Connection
    now: datetime
    caller: Caller
    service: Service
    request_id: str | None = None
    #: What the operation's `prepares` step returned.
    prepared: Any = None
    #: Done once the transaction is committed, and not at all where it is not: wake-ups, notices.
    afterwards: list[Callable[[], None]] = dataclasses.field(default_factory=list[Callable[[], None]])
    effects: Effects = dataclasses.field(default_factory=Effects)
    #: The run whose life the request id shares; it need not be set where the request names one in `flow_run_id`.
    flow_run_id: UUID | None = None
    #: For an operation that rebuilds its answer: JSON values from which the handler can make it again. None keeps nothing.
    keep: Any = None
    #: What was kept when this request id came first; None on a first call.
    replay: Any = None
    #: What was there before, for the audit log, where a setting is changed.
    before: Any = None

    def after_commit(self, action: Callable[[], None]) -> None:
        self.afterwards.append(action)

    def own_run(self, flow_run_id: UUID, fence: int) -> None:
        """Refuses a run process that writes for another run, or for an attempt that its token is not for."""
        if self.caller.run_id is not None and (self.caller.run_id, self.caller.run_fence) != (
            flow_run_id,
            fence,
        ):
            raise errors.Forbidden(f"this token is not for run {flow_run_id} with fence {fence}")


Handler = Callable[[Call[Any], Any], wire.Answer]


class Run(Protocol):
    """Runs the handler of the operation once, in a transaction of its own, as the same caller."""

    def __call__(self) -> Awaitable[Any]: ...


@dataclasses.dataclass(frozen=True)
class Download:
    """A file that is sent as it is made."""

    filename: str
    media_type: str
    chunks: AsyncIterator[bytes]


Waiter = Callable[[Any, Caller, Any, Run], Awaitable[wire.Answer]]
Preparer = Callable[[Any, Caller, Any], Any]
Streamer = Callable[[Any, Caller, Any], Awaitable[Download]]


class Registry:
    """The handlers of one service, by operation name."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.waiters: dict[str, Waiter] = {}
        self.preparers: dict[str, Preparer] = {}
        self.streamers: dict[str, Streamer] = {}

    def handles(
        self, operation: Operation[Req, Ans]
    ) -> Callable[[Callable[[Call[Any], Req], Ans]], Callable[[Call[Any], Req], Ans]]:
        """The function is the behaviour of this operation: `(call, request) -> answer`, in one transaction."""

        def register(function: Callable[[Call[Any], Req], Ans]) -> Callable[[Call[Any], Req], Ans]:
            if operation.name in self.handlers:
                raise ValueError(f"{operation.name} has two handlers")
            self.handlers[operation.name] = function
            return function

        return register

    def prepares(
        self, operation: Operation[Req, Ans]
    ) -> Callable[[Callable[[Any, Caller, Req], Any]], Callable[[Any, Caller, Req], Any]]:
        """The function `(service, caller, request) -> prepared` runs on a thread before the transaction."""

        def register(function: Callable[[Any, Caller, Req], Any]) -> Callable[[Any, Caller, Req], Any]:
            self.preparers[operation.name] = function
            return function

        return register

    def waits(
        self, operation: Operation[Req, Ans]
    ) -> Callable[
        [Callable[[Any, Caller, Req, Run], Awaitable[Ans]]], Callable[[Any, Caller, Req, Run], Awaitable[Ans]]
    ]:
        """The coroutine `(service, caller, request, run) -> answer` may hold the answer; `await run()` runs the handler."""

        def register(
            function: Callable[[Any, Caller, Req, Run], Awaitable[Ans]],
        ) -> Callable[[Any, Caller, Req, Run], Awaitable[Ans]]:
            self.waiters[operation.name] = function  # type: ignore[assignment] - narrower request
            return function

        return register

    def streams(
        self, operation: Operation[Req, Ans]
    ) -> Callable[
        [Callable[[Any, Caller, Req], Awaitable[Download]]], Callable[[Any, Caller, Req], Awaitable[Download]]
    ]:
        """The coroutine `(service, caller, request) -> Download` answers an operation that streams; it refuses before the first byte."""

        def register(
            function: Callable[[Any, Caller, Req], Awaitable[Download]],
        ) -> Callable[[Any, Caller, Req], Awaitable[Download]]:
            self.streamers[operation.name] = function
            return function

        return register
