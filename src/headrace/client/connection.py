"""The HTTP underneath: any operation of the server called once, in words of messages and exceptions.

A call is repeated only where that is safe: every mutation carries an `Idempotency-Key` that its repetitions share.
"""

import contextlib
import contextvars
import dataclasses
import os
import random
import re
import threading
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import msgspec

from headrace import errors, settings, tracing, wire
from headrace.wire.operations import Operation

if TYPE_CHECKING:
    import urllib3

Req = TypeVar("Req", bound=wire.Message)
Ans = TypeVar("Ans", bound=wire.Answer)

#: Statuses that say "not now" rather than "no".
PASSING = frozenset({429, 502, 503, 504, 507})
#: Seconds between two tries, at most: thousands of callers that come back after an outage are spread over it.
LONGEST_PAUSE = 20.0
#: Seconds: connecting, and waiting for an answer that nobody holds back.
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()
_IN_PATH = re.compile(r"{(\w+)}")


@dataclasses.dataclass(frozen=True)
class _Identity:
    """As whom the code of a flow run speaks to the server."""

    server_url: str
    token: str
    flow_run_id: UUID | None
    fence: int


_inside: _Identity | None = None
#: The same for code of one of several runs that share a process.
_within: contextvars.ContextVar[_Identity | None] = contextvars.ContextVar(
    "headrace_within_run", default=None
)


def enter_run(server_url: str, token: str, flow_run_id: UUID | None = None, fence: int = 0) -> None:
    """From here on this process is a run's: a `Client()` that is told nothing else speaks with the run's token."""
    global _inside
    _inside = _Identity(server_url, token, flow_run_id, fence)


def inside() -> tuple[str, str, UUID | None, int] | None:
    """What `enter_run` was told, for another process of the same run; None outside a run."""
    identity = _within.get() or _inside
    if identity is None:
        return None
    return identity.server_url, identity.token, identity.flow_run_id, identity.fence


@contextlib.contextmanager
def within_run(
    server_url: str, token: str, flow_run_id: UUID | None = None, fence: int = 0
) -> Generator[None]:
    """As `enter_run`, for what runs inside only: a process that several runs share."""
    before = _within.set(_Identity(server_url, token, flow_run_id, fence))
    try:
        yield
    finally:
        _within.reset(before)


@dataclasses.dataclass(frozen=True)
class Sent:
    """A request as HTTP sends it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


class Connection:
    """One server, spoken to as one account: what every noun of the client calls through."""

    def __init__(
        self,
        server_url: str | None = None,
        api_key: str | None = None,
        settings: settings.Settings | None = None,
        *,
        patience: float = 3.0,
    ) -> None:
        told = settings is not None or server_url is not None or api_key is not None
        inside = None if told else _within.get() or _inside
        loaded = settings or _settings()
        self.server_url = (inside.server_url if inside else server_url or loaded.server_url).rstrip("/")
        self._key = inside.token if inside else loaded.api_key if api_key is None else api_key
        self.project = loaded.project
        self._patience = patience
        self._pool: tuple[int, urllib3.HTTPConnectionPool] | None = None
        parts = urlsplit(self.server_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise errors.SettingsError(f"server_url must look like http://host:7400, not {self.server_url!r}")
        self._prefix = parts.path

    def __repr__(self) -> str:
        return f"<Client of {self.server_url}>"

    # --- any operation ---

    def call(
        self,
        operation: Operation[Req, Ans],
        request: Req,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Ans:
        """One logical call. `request_id` names it for the server; give one to repeat it later with one effect.

        `timeout` is in seconds and counts for each try.
        """
        sent = self.prepare(operation, request, request_id=request_id)
        response = self._repeated(
            sent, timeout or READ_SECONDS, self._patience if patience is None else patience
        )
        return self.answer(operation, response.status, response.data)

    def stream(self, operation: Operation[Req, Any], request: Req) -> Iterator[bytes]:
        """The pieces of an answer that is a file, as they come."""
        sent = self.prepare(operation, request)
        response = self._repeated(sent, READ_SECONDS, self._patience, whole=False)
        try:
            if response.status >= 400:
                raise problem(response.status, response.read(), self.server_url)
            yield from response.stream(65536)
        finally:
            response.release_conn()

    def pages(self, operation: Operation[Req, wire.Page[Any]], request: Req) -> Iterator[Any]:
        """The items of all pages of a list, asked for as they are used."""
        while True:
            page = self.call(operation, request)
            yield from page.items
            if page.next is None:
                return
            request = msgspec.structs.replace(request, after=page.next)

    def prepare(self, operation: Operation[Req, Any], request: Req, *, request_id: str | None = None) -> Sent:
        """The HTTP request of a call, not sent."""
        names = _IN_PATH.findall(operation.path)
        path = self._prefix + operation.path
        for name in names:
            path = path.replace("{" + name + "}", quote(str(getattr(request, name)), safe=""))
        rest = {name: value for name, value in _given(request) if name not in names}
        headers = {
            "Headrace-Protocol": str(wire.PROTOCOL),
            "Accept": "application/json",
            "User-Agent": "headrace",
            **tracing.headers(),
        }
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if operation.method != "GET":
            headers["Idempotency-Key"] = request_id or uuid.uuid4().hex
        if operation.method in ("GET", "DELETE"):
            return Sent(operation.method, path + _query(rest), headers, None)
        headers["Content-Type"] = "application/json"
        return Sent(operation.method, path, headers, msgspec.json.encode(rest))

    def answer(self, operation: Operation[Any, Ans], status: int, data: bytes) -> Ans:
        """What an HTTP answer says, or its problem raised as the exception that it was made from."""
        if status >= 400:
            raise problem(status, data, self.server_url)
        try:
            return _decoder(operation.answer).decode(data or b"{}")
        except msgspec.DecodeError as error:
            raise errors.HeadraceError(
                f"{self.server_url} answered {operation.name} with something else than expected ({error}):"
                " is it a Headrace server, and is this client's version close to the server's?"
            ) from None

    def _repeated(
        self, sent: Sent, timeout: float, patience: float, *, whole: bool = True
    ) -> "urllib3.BaseHTTPResponse":
        """Sends, and again with full jitter while the server does not answer or says "not now", until patience ends."""
        until = time.monotonic() + patience
        for tries in range(1_000_000):
            pause = random.uniform(0, min(LONGEST_PAUSE, 0.1 * 2 ** min(tries, 10)))  # noqa: S311 - jitter, no secret
            try:
                response = self._once(sent, timeout, whole)
            except errors.Unreachable as error:
                if error.facts.get("final") or time.monotonic() + pause > until:
                    raise
            else:
                if response.status not in PASSING:
                    return response
                pause = max(pause, _retry_after(response.headers.get("Retry-After")))
                if time.monotonic() + pause > until:
                    return response
                response.drain_conn()
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _once(self, sent: Sent, timeout: float, whole: bool) -> "urllib3.BaseHTTPResponse":
        # 15 ms, and not needed by a process that only imports the library
        import urllib3

        limits = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout)
        try:
            return self._connections().urlopen(
                sent.method,
                sent.target,
                body=sent.body,
                headers=sent.headers,
                retries=False,
                redirect=False,
                timeout=limits,
                preload_content=whole,
            )
        except urllib3.exceptions.SSLError as error:
            raise errors.Unreachable(
                f"{self.server_url} cannot be spoken to securely: {error}. Check the address, or the certificate (SSL_CERT_FILE).",
                final=True,
            ) from None
        except urllib3.exceptions.HTTPError as error:
            raise errors.Unreachable(
                f"no server answers at {self.server_url} ({_why(error)}): is `headrace up` running, and is server_url right?"
            ) from None

    def _connections(self) -> "urllib3.HTTPConnectionPool":
        """This process's connections: a forked child must not write into its parent's."""
        import urllib3

        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), urllib3.connection_from_url(self.server_url, maxsize=16))
        return self._pool[1]

    def close(self) -> None:
        """Closes the connections that are kept open; the client may still be used."""
        pool, self._pool = self._pool, None
        if pool is not None and pool[0] == os.getpid():
            pool[1].close()


def _decoder(kind: type[Ans]) -> msgspec.json.Decoder[Ans]:
    """One for each kind of answer, made by one thread at a time: msgspec crashes where two make theirs at once."""
    found: msgspec.json.Decoder[Ans] | None = _decoders.get(kind)
    if found is None:
        with _making:
            found = _decoders[kind] = _decoders.get(kind) or msgspec.json.Decoder(kind)
    return found


def problem(status: int, data: bytes, server_url: str) -> errors.HeadraceError:
    """The exception that a problem was made from; one for answers that are no problem of ours, as proxies give them."""
    try:
        said = _decoder(wire.Problem).decode(data)
    except msgspec.DecodeError:
        if status in PASSING:
            return errors.Unavailable(
                f"{server_url} answers {status}: the server is not ready, or a proxy cannot reach it"
            )
        return errors.HeadraceError(
            f"{server_url} answers {status}, not as a Headrace server does: is server_url right?"
        )
    kinds = _by_code(errors.HeadraceError)
    kind = kinds.get(said.code) or next(
        (kind for kind in kinds.values() if kind.status == status), errors.HeadraceError
    )
    return kind(
        said.detail or said.title, fields=dict(said.errors), **{name: said.facts[name] for name in said.facts}
    )


def _by_code(kind: type[errors.HeadraceError]) -> dict[str, type[errors.HeadraceError]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        found |= {code: one for code, one in _by_code(below).items() if code not in found}
    return found


def _settings() -> settings.Settings:
    return settings.load()


def _given(request: wire.Message) -> Iterator[tuple[str, Any]]:
    """The fields of a request that differ from their defaults: an older server need not know the others."""
    for field in msgspec.structs.fields(request):
        value = getattr(request, field.name)
        if field.default is not msgspec.NODEFAULT:
            default: Any = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        else:
            default = msgspec.NODEFAULT
        if default is msgspec.NODEFAULT or value != default:
            yield field.encode_name, value


def _query(values: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        plain: Any = msgspec.to_builtins(value)
        items = cast(list[Any], plain) if isinstance(plain, list) else [plain]
        pairs.extend(
            (name, item if isinstance(item, str) else msgspec.json.encode(item).decode()) for item in items
        )
    return "?" + urlencode(pairs) if pairs else ""


def _retry_after(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 1.0


def _why(error: Exception) -> str:
    """The system's own words for what went wrong, without the library's objects around them."""
    inner = error.args[1] if len(error.args) == 2 else error  # a connection that was cut wraps why
    text = str(inner)
    return text.rsplit(": ", 1)[-1] if ": " in text else text
