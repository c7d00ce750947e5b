"""The HTTP application: every request passes one gate, then names one operation of the table, one file, or nothing.

Nothing is reachable but what is listed here by its exact path: the table's operations, each with what it needs of its
caller, the probes, the metrics, the API's description, the registered WebSockets, and the UI's files.
"""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketState

from headrace import errors, tracing, wire
from headrace.web import bodies, guard, handlers, ids, metrics, openapi, problems, replies, routes, static
from headrace.web.replies import Reply
from headrace.web.service import Bearer, Cookie, Redirector, Service, Visit
from headrace.wire import accounts, operations

log = logging.getLogger(__name__)
access = logging.getLogger("headrace.access")

#: A session's cookie lives as long as the browser may keep it; the session itself ends earlier in the database.
COOKIE_SECONDS = 30 * 24 * 3600
#: How long a browser keeps what it must show when it comes back from elsewhere.
TICKET_SECONDS = 600
#: A WebSocket's caller is looked up again this often, so that it ends with its session or key.
RECHECK_SECONDS = 30
#: WebSocket close codes of our own: not signed in (any more), not allowed.
UNAUTHENTICATED, FORBIDDEN = 4401, 4403

_encoder = msgspec.json.Encoder()


@dataclasses.dataclass
class _Asked:
    """A request on its way through."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    hosts: list[str]
    query: bytes
    address: str
    receive: Any
    host: str = ""
    caller: handlers.Caller = handlers.ANONYMOUS
    operation: str = ""

    @classmethod
    def of(cls, scope: Any, receive: Any) -> "_Asked":
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        headers = dict(scope["headers"])
        return cls(
            method=scope.get("method", "GET"),
            path=raw.split(b"?")[0].decode("latin-1"),
            headers=headers,
            hosts=[value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"],
            query=scope["query_string"],
            address=scope["client"][0] if scope.get("client") else "",
            receive=receive,
        )

    @property
    def bearer(self) -> bool:
        return b"authorization" in self.headers


class App:
    """The ASGI application of a service.

    `ready` says whether it can do its work (None) or why not; `ui` is the folder of the built user interface.
    """

    def __init__(
        self,
        service: Service,
        table: Iterable[operations.Operation[Any, Any]],
        *,
        title: str,
        version: str,
        ui: Path,
        ready: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._service = service
        self._table = tuple(table)
        self._routes = routes.Routes(self._table)
        self._guard = guard.Guard(service.settings)
        self._metrics = metrics.Metrics(service)
        self._static = static.Static(ui)
        self._ready = ready
        self._about = (title, version)
        self._openapi: bytes | None = None
        self._fixed: dict[str, Callable[[_Asked], Any]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._figures,
            "/api/openapi.json": self._description,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            raise NotImplementedError(scope["type"])

    # --- HTTP ------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        began = time.perf_counter()
        request_id = ids.uuid7().hex
        asked = _Asked.of(scope, receive)
        try:
            reply = await self._answer(asked)
        except bodies.Gone:
            return
        except Exception as error:  # noqa: BLE001 - the last line: it becomes a problem, and is logged with its id
            reply = problems.reply(error, request_id)
        reply.headers += [*self._guard.headers, (b"x-request-id", request_id.encode())]
        if asked.path.startswith("/api/"):
            reply.headers.append((b"cache-control", b"no-store"))
        await reply.send(send, head=asked.method == "HEAD")
        self._record(asked, reply.status, time.perf_counter() - began, request_id)

    def _record(self, asked: _Asked, status: int, seconds: float, request_id: str) -> None:
        self._metrics.count(asked.operation or "other", status, seconds)
        level = logging.ERROR if status >= 500 else logging.DEBUG
        if access.isEnabledFor(level):
            # The path as sent is ASCII without spaces; the query and the headers may hold what is not for logs.
            line = "%s %s %s %.1f ms %s:%s %s"
            caller = asked.caller
            who = caller.id or "-"
            access.log(
                level,
                line,
                asked.method,
                asked.path[:200],
                status,
                seconds * 1000,
                caller.kind,
                who,
                request_id,
            )

    async def _answer(self, asked: _Asked) -> Reply:
        asked.host = self._guard.check_host(asked.hosts, bearer=asked.bearer)
        fixed = self._fixed.get(asked.path)
        if fixed is not None:
            if asked.method not in ("GET", "HEAD"):
                raise routes.WrongMethod("this address answers GET", allow=["GET", "HEAD"])
            return await fixed(asked)
        if asked.path == "/api" or asked.path.startswith("/api/"):
            return await self._operation(asked)
        redirect = self._service.redirects.get(asked.path)
        if redirect is not None:
            return await self._redirect(redirect, asked)
        if asked.method not in ("GET", "HEAD"):
            raise routes.WrongMethod("this address answers GET", allow=["GET", "HEAD"])
        return self._static.reply(asked.path, asked.headers)

    async def _operation(self, asked: _Asked) -> Reply:
        if (reason := self._ready()) is not None:
            raise errors.Unavailable(f"this server is not ready: {reason}", retry_after=1)
        route, path = self._routes.find(asked.method, asked.path)
        operation = route.operation
        asked.operation = operation.name
        _check_protocol(asked.headers)
        bodies.check_announced(asked.headers, operation.limit)
        await self._admit(asked, operation)
        # whoever is not known does not decide what is told to the collector
        known = asked.caller.kind != "anonymous"
        parent = asked.headers.get(b"traceparent") if known else None
        with tracing.operation(operation.name, asked.method, operation.path, parent) as answered:
            reply = await self._perform(route, path, asked)
            answered(reply.status)
            return reply

    async def _perform(self, route: routes.Route, path: dict[str, str], asked: _Asked) -> Reply:
        operation = route.operation
        body = await bodies.read(asked.receive, operation.limit)
        if body and asked.headers.get(b"content-type") and not guard.is_json(asked.headers):
            raise errors.Invalid("the content type must be application/json")
        if len(body) > bodies.ON_A_THREAD_FROM:
            request = await asyncio.to_thread(route.decoder.decode, path, asked.query, body)
        else:
            request = route.decoder.decode(path, asked.query, body)
        if operation.streams:
            return await self._stream(operation, request, asked)
        effects = handlers.Effects()
        request_id = asked.headers.get(b"idempotency-key", b"").decode("latin-1") or None
        answer = await self._service.call(operation, request, asked.caller, request_id, effects=effects)
        reply = replies.json(_encoder.encode(answer))
        if effects.session is not None:
            reply.headers.append(self._guard.set_cookie(effects.session, COOKIE_SECONDS))
        await replies.compress(reply, asked.headers)
        return reply

    async def _redirect(self, redirect: Redirector, asked: _Asked) -> Reply:
        if asked.method != "GET":
            raise routes.WrongMethod("this address answers GET", allow=["GET"])
        query = bodies.read_query(asked.query)
        caller = await self._identify(asked, lenient=True)
        asked.caller = caller = dataclasses.replace(caller, address=asked.address)
        ticket = self._guard.read_cookie(asked.headers, "ticket") or ""
        there = await redirect(self._service, Visit(query, caller, ticket))
        reply = Reply(303, [(b"location", there.location.encode("ascii")), (b"cache-control", b"no-store")])
        if there.session is not None:
            reply.headers.append(self._guard.set_cookie(there.session, COOKIE_SECONDS))
        if there.ticket is not None:
            reply.headers.append(self._guard.set_cookie(there.ticket, TICKET_SECONDS, "ticket"))
        return reply

    async def _stream(
        self, operation: operations.Operation[Any, Any], request: wire.Message, asked: _Asked
    ) -> Reply:
        streamer = self._service.registry.streamers.get(operation.name)
        if streamer is None:
            raise errors.NotFound(f"this server does not have the operation {operation.name}")
        download = await streamer(self._service, asked.caller, request)
        headers = [
            (b"content-type", download.media_type.encode()),
            (b"content-disposition", replies.attachment(download.filename)),
        ]
        return Reply(200, headers, parts=download.chunks)

    # --- who ---------------------------------------------------------------------------------------------------------

    async def _admit(self, asked: _Asked, operation: operations.Operation[Any, Any]) -> None:
        """Finds the caller and refuses whoever may not do this: nothing is allowed that is not said."""
        public = operation.needs is accounts.Permission.PUBLIC
        caller = await self._identify(asked, lenient=public)
        asked.caller = caller = dataclasses.replace(caller, address=asked.address)
        own = operation.for_runs and caller.run_id is not None
        if not (own or caller.may(operation.needs)):
            if caller.kind == "anonymous":
                raise errors.Unauthenticated
            raise errors.Forbidden(
                f"the role {caller.role} does not allow {operation.name}: it needs the permission {operation.needs}"
            )
        if asked.method in guard.SAFE_METHODS or asked.bearer:
            return
        if public:  # signing in: there is no session yet whose token could be asked for
            self._guard.check_origin(asked.host, asked.headers, required=b"cookie" in asked.headers)
            if not guard.is_json(asked.headers):
                raise errors.Forbidden("the content type must be application/json")
        else:
            token = self._csrf(caller)
            self._guard.check_cookie_request(
                asked.host, asked.headers, token=token, has_body=asked.method != "DELETE"
            )

    def _csrf(self, caller: handlers.Caller) -> str:
        assert caller.session_id is not None, "whoever shows no key shows a cookie"
        return self._service.csrf_token(caller.session_id)

    async def _identify(self, asked: _Asked, *, lenient: bool) -> handlers.Caller:
        """The caller by key, else by cookie. Where anybody may ask, a cookie whose session has ended is none."""
        if asked.bearer:
            scheme, _, token = asked.headers[b"authorization"].decode("latin-1").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise errors.Unauthenticated("the Authorization header is: Bearer KEY")
            return await self._service.identify(self._service, Bearer(token.strip()))
        cookie = self._guard.read_cookie(asked.headers)
        if cookie is None:
            return handlers.ANONYMOUS
        try:
            return await self._service.identify(self._service, Cookie(cookie))
        except errors.Unauthenticated:
            if lenient:
                return handlers.ANONYMOUS
            raise

    # --- what is no operation ----------------------------------------------------------------------------------------

    async def _health(self, asked: _Asked) -> Reply:
        return Reply(200, [(b"content-type", b"text/plain")], b"alive\n")

    async def _readiness(self, asked: _Asked) -> Reply:
        reason = "it is stopping" if self._service.draining.is_set() else self._ready()
        if reason is not None:
            raise errors.Unavailable(f"this server is not ready: {reason}", retry_after=1)
        await self._service.database.read(lambda connection, now: None)
        words = b"ready, but its disk was full: logs are dropped until there is room\n"
        short = self._service.database.short_of_room
        return Reply(200, [(b"content-type", b"text/plain")], words if short else b"ready\n")

    async def _figures(self, asked: _Asked) -> Reply:
        asked.caller = await self._identify(asked, lenient=False)
        if not asked.caller.may(accounts.Permission.READ):
            raise errors.Unauthenticated if asked.caller.kind == "anonymous" else errors.Forbidden
        kind = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
        return Reply(200, [kind], await self._metrics.text())

    async def _description(self, asked: _Asked) -> Reply:
        if self._openapi is None:
            title, version = self._about
            self._openapi = _encoder.encode(openapi.document(self._table, title=title, version=version))
        reply = replies.json(self._openapi)
        await replies.compress(reply, asked.headers)
        return reply

    # --- WebSockets --------------------------------------------------------------------------------------------------

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        asked = _Asked.of(scope, receive)
        try:
            asked.host = self._guard.check_host(asked.hosts, bearer=asked.bearer)
            serve = self._service.websockets.get(asked.path)
            if serve is None:
                raise errors.NotFound("there is nothing at this address")
            asked.caller = await self._identify(asked, lenient=False)
            if asked.caller.kind == "anonymous":
                raise errors.Unauthenticated
            if not asked.bearer:
                self._guard.check_origin(asked.host, asked.headers, required=True)
        except errors.HeadraceError as error:
            await _refuse(scope, send, problems.reply(error, ids.uuid7().hex), self._guard.headers)
            return
        socket = WebSocket(scope, receive, send)
        await socket.accept(headers=[*self._guard.headers])
        await self._serve_socket(serve(self._service, asked.caller, socket), asked, socket)

    async def _serve_socket(self, serving: Any, asked: _Asked, socket: WebSocket) -> None:
        """Serves until either side has enough, or the caller's session or key has ended."""
        tasks = [asyncio.ensure_future(serving), asyncio.ensure_future(self._until_refused(asked))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done() and not tasks[0].cancelled() and (error := tasks[0].exception()):
                log.error("the live connection %s failed", asked.path, exc_info=error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if (
            socket.application_state is WebSocketState.CONNECTED
            and socket.client_state is WebSocketState.CONNECTED
        ):
            await socket.close(UNAUTHENTICATED if tasks[1].done() and not tasks[1].cancelled() else 1011)

    async def _until_refused(self, asked: _Asked) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._identify(asked, lenient=False)
            except errors.Unauthenticated:
                return
            except errors.Unavailable:
                continue


async def _refuse(scope: Any, send: Any, reply: Reply, headers: list[tuple[bytes, bytes]]) -> None:
    """Answers a WebSocket's request as HTTP does, where the server can; else it closes."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": UNAUTHENTICATED if reply.status == 401 else FORBIDDEN})
        return
    everything = [*reply.headers, *headers, (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": everything})
    await send({"type": "websocket.http.response.body", "body": reply.body})


def _check_protocol(headers: dict[bytes, bytes]) -> None:
    sent = headers.get(b"headrace-protocol")
    if sent is None:
        return
    if not sent.isdigit() or len(sent) > 6:
        raise errors.Invalid("Headrace-Protocol is a number", fields={"Headrace-Protocol": "not a number"})
    if int(sent) > wire.PROTOCOL:
        raise errors.UpgradeRequired(
            f"this client speaks protocol {int(sent)}, the server {wire.PROTOCOL}: upgrade the server, or use an older client",
            protocol=wire.PROTOCOL,
        )
