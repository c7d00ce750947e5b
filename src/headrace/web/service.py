"""A service: the operations' handlers over a database, callable without HTTP by loops, tests and the application alike."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, settings, wire
from headrace.web import database, handlers, repeats, wakeups
from headrace.web.figures import Figure, Histogram
from headrace.wire import operations

T = TypeVar("T")
Ans = TypeVar("Ans", bound=wire.Answer)

#: Password hashes take 64 MB each: no more than this many `prepares` steps at once.
PREPARING = 2


@dataclasses.dataclass(frozen=True)
class Bearer:
    """A key or run token from the Authorization header."""

    token: str


@dataclasses.dataclass(frozen=True)
class Cookie:
    """The token of a browser's session."""

    token: str


Credential = Bearer | Cookie
#: Who shows this credential. Raises errors.Unauthenticated with the reason.
Identify = Callable[["Service", Credential], Awaitable[handlers.Caller]]
#: Writes down what somebody has done, in the transaction that did it.
Audit = Callable[[handlers.Call["Service"], operations.Operation[Any, Any], wire.Message, wire.Answer], None]


@dataclasses.dataclass(frozen=True)
class Visit:
    """A browser at an address that sends it elsewhere. `ticket` is what it kept since `Redirect.ticket`, "" for nothing."""

    query: Mapping[str, str]
    caller: handlers.Caller
    ticket: str


@dataclasses.dataclass(frozen=True)
class Redirect:
    """Where the browser goes. `session` begins a session; `ticket` is kept until it comes back ("" drops it)."""

    location: str
    session: str | None = None
    ticket: str | None = None


#: Sends a browser elsewhere: `(service, visit)`.
Redirector = Callable[["Service", Visit], Awaitable[Redirect]]
#: Figures that are looked up. Raises errors.Unavailable where that cannot be done.
Figures = Callable[["Service"], Awaitable[Sequence[Figure]]]
#: What is done with an accepted WebSocket: `(service, caller, websocket)`; authenticated and of our own origin.
Socket = Callable[["Service", handlers.Caller, Any], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables that every service has for its own housekeeping."""

    requests: sa.Table
    loop_leases: sa.Table


class Duty(Protocol):
    """A loop at work: how often it was done, how long ago, and how it failed last, if it did."""

    @property
    def runs(self) -> int: ...

    @property
    def error(self) -> Exception | None: ...

    @property
    def age(self) -> float: ...

    def poke(self) -> None:
        """Lets it run now."""
        ...


class Hold:
    """An answer that is held back. It ends by `wake`, by its time, or because the service drains."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Ends the waiting; on the loop's thread only, as `after_commit` actions are."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """True when it was woken, False when the time is over."""
        done, _ = await asyncio.wait((self._future,), timeout=max(seconds, 0))
        return bool(done)


class Service:
    """What handlers find in `call.service`.

    Attributes
    ----------
    settings, database, registry: what it was made from.
    secret: signs run tokens and CSRF tokens.
    identify, csrf_token: who shows a credential; what a session's pages must send back.
    draining: set when the service is to stop: whoever holds an answer gives it at once.
    audit: writes down what people do; None where nobody asks who did it.
    websockets: path → coroutine, filled by the modules that have live updates.
    redirects: path → coroutine, for browsers that go elsewhere to sign in and come back.
    loops: the periodic duties by name, while they run.
    lag: how late the event loop was, as often as somebody looked.
    figures: what the nouns tell an operator, looked up when somebody asks.
    """

    def __init__(
        self,
        *,
        settings: settings.Settings,
        database: database.Database,
        registry: handlers.Registry,
        tables: Tables,
        secret: bytes,
        identify: Identify,
        csrf_token: Callable[[UUID], str],
        audit: Audit | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.registry = registry
        self.secret = secret
        self.identify = identify
        self.csrf_token = csrf_token
        self.tables = tables
        self.draining = asyncio.Event()
        self.websockets: dict[str, Socket] = {}
        self.redirects: dict[str, Redirector] = {}
        self.loops: Mapping[str, Duty] = {}
        self.lag = Histogram()
        self.figures: Figures = _no_figures
        self._repeats = repeats.Repeats(tables.requests)
        self._audit = audit
        self._holds: set[Hold] = set()
        self._parts: dict[Any, Any] = {}
        self._parts_lock = threading.Lock()
        self._threads = ThreadPoolExecutor(PREPARING, thread_name_prefix="headrace-prepare")
        self._loop: asyncio.AbstractEventLoop | None = None

    def part(self, kind: type[T]) -> T:
        """This service's one object of a class, made without arguments when it is first asked for: a noun's own state."""
        with self._parts_lock:
            if kind not in self._parts:
                self._parts[kind] = kind()
            return self._parts[kind]

    async def call(
        self,
        operation: operations.Operation[Any, Ans],
        request: wire.Message,
        caller: handlers.Caller,
        request_id: str | None = None,
        *,
        effects: handlers.Effects | None = None,
    ) -> Ans:
        """Performs an operation: its `prepares` step, its handler in a transaction, its `waits` around that.

        Reads (GET) run beside the writer. A repeated `request_id` of the same caller gives the first answer again.
        Permissions are the application's matter, for loops have none.
        """
        prepared: Any = None
        preparer = self.registry.preparers.get(operation.name)
        if preparer is not None:
            self._loop = asyncio.get_running_loop()
            prepared = await self._loop.run_in_executor(self._threads, preparer, self, caller, request)
        handler = self._handler(operation)
        repeats.checked(request_id)

        def work(call: handlers.Call["Service"]) -> Any:
            call.request_id, call.prepared = request_id, prepared
            if effects is not None:
                call.effects = effects
            return self._repeats.perform(
                call, audited if operation.is_audited else handler, operation, request
            )

        def audited(call: handlers.Call["Service"], request: wire.Message) -> wire.Answer:
            answer = handler(call, request)
            if self._audit is not None:
                self._audit(call, operation, request, answer)
            return answer

        async def run() -> Any:
            if operation.method == "GET":
                return await self.read(work, caller=caller)
            return await self.write(work, caller=caller)

        waiter = self.registry.waiters.get(operation.name)
        answer: Any = await (run() if waiter is None else waiter(self, caller, request, run))
        return answer

    async def write(
        self, work: Callable[[handlers.Call["Service"]], T], *, caller: handlers.Caller = handlers.SYSTEM
    ) -> T:
        """What `work` returns, committed. Its `after_commit` actions run on the loop's thread before this returns."""

        def transact(connection: sa.Connection, now: datetime) -> tuple[T, handlers.Call["Service"]]:
            call: handlers.Call[Service] = handlers.Call(connection, now, caller, self)
            return work(call), call

        value, call = await self.database.write(transact)
        for action in call.afterwards:
            action()
        return value

    async def settle(self, work: Callable[[handlers.Call["Service"]], T]) -> T:
        """As `write`, though another PostgreSQL server may have taken over; from then on nothing stands against it."""

        def transact(connection: sa.Connection, now: datetime) -> tuple[T, handlers.Call["Service"]]:
            call: handlers.Call[Service] = handlers.Call(connection, now, handlers.SYSTEM, self)
            return work(call), call

        value, call = await self.database.settle(transact)
        for action in call.afterwards:
            action()
        return value

    async def read(
        self, work: Callable[[handlers.Call["Service"]], T], *, caller: handlers.Caller = handlers.SYSTEM
    ) -> T:
        """What `work` returns; it sees one state of the database and cannot write."""

        def transact(connection: sa.Connection, now: datetime) -> T:
            return work(handlers.Call(connection, now, caller, self))

        return await self.database.read(transact)

    def look(self, work: Callable[[handlers.Call["Service"]], T]) -> T:
        """`read` for a `prepares` step, which is on a thread: it waits there."""
        assert self._loop is not None, "look is for prepares steps"
        return asyncio.run_coroutine_threadsafe(self.read(work), self._loop).result()

    @contextlib.contextmanager
    def hold(self) -> Generator[Hold, None, None]:
        """Something to wait on that also ends when the service drains."""
        hold = Hold()
        self._holds.add(hold)
        if self.draining.is_set():
            hold.wake()
        try:
            yield hold
        finally:
            self._holds.discard(hold)

    @property
    def held(self) -> int:
        """How many answers are held back."""
        return len(self._holds)

    def poke(self, loop: str, *, here: bool = False) -> None:
        """Lets a loop run now, at every server or `here` alone; on the loop's thread only."""
        if loop in self.loops:
            self.loops[loop].poke()
        if not here:
            self.part(wakeups.Wakeups).tell("loop", loop)

    def drain(self) -> None:
        """Says that the service is to stop: held answers are given at once."""
        self.draining.set()
        for hold in tuple(self._holds):
            hold.wake()

    async def close(self) -> None:
        """Lets the database go."""
        self._threads.shutdown(wait=False)
        await self.database.close()

    def _handler(self, operation: operations.Operation[Any, Any]) -> handlers.Handler:
        try:
            return self.registry.handlers[operation.name]
        except KeyError:
            raise errors.NotFound(f"this server does not have the operation {operation.name}") from None


async def _no_figures(service: Service) -> Sequence[Figure]:
    """There are no nouns yet."""
    return ()
