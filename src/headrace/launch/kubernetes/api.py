"""The API server's HTTP: reading, making and deleting objects, and watching them change."""

import random
import socket
import time
from collections.abc import Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3

from headrace.launch.kubernetes import access, objects

T = TypeVar("T")

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
#: The API server ends a watch after this time; it is begun again where it ended.
WATCH_SECONDS = 50
#: For so long a call is repeated while the API server does not answer, or says that it is busy.
PATIENCE = 15.0
#: Of what a pod has written the last lines are asked for.
LOG_LINES = 20_000
_BUSY = frozenset((429, 500, 502, 503, 504))
#: A connection that somebody has silently dropped is noticed within half a minute.
_KEEP_ALIVE = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *[
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ],
]


class Refusal(Exception):
    """The API server said no. `reason` is its word: NotFound, AlreadyExists, Forbidden, Expired."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class Silence(Exception):
    """The API server does not answer."""


class Api:
    """One cluster, in one namespace. Safe in threads."""

    def __init__(self, found: access.Access, *, patience: float = PATIENCE) -> None:
        self.namespace = found.namespace
        self.server = found.server
        self._access = found
        self._patience = patience
        parts = urlsplit(found.server)
        self._prefix = parts.path.rstrip("/")
        options: dict[str, Any] = {
            "host": parts.hostname or "",
            "port": parts.port,
            "maxsize": 8,
            "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            "retries": False,
            "socket_options": _KEEP_ALIVE,
        }
        if found.hostname:
            options |= {"server_hostname": found.hostname, "assert_hostname": found.hostname}
        self._pool = (
            urllib3.HTTPSConnectionPool(**options, ssl_context=found.tls)
            if parts.scheme == "https"
            else urllib3.HTTPConnectionPool(**options)
        )

    def close(self) -> None:
        self._pool.close()

    # --- calls; raise Refusal and Silence ---

    def get(self, kind: str, name: str, type: type[T]) -> T:  # noqa: A002 - what msgspec calls it
        return msgspec.json.decode(self._call("GET", self._path(kind, name)), type=type)

    def list(
        self,
        kind: str,
        type: type[T],  # noqa: A002 - as above
        query: Mapping[str, str],
        *,
        patience: float | None = None,
    ) -> objects.Listing[T]:
        answer = self._call("GET", self._path(kind), query, patience=patience)
        return msgspec.json.decode(answer, type=objects.Listing[type])

    def create(self, kind: str, manifest: dict[str, Any], type: type[T]) -> T:  # noqa: A002 - as above
        return msgspec.json.decode(self._call("POST", self._path(kind), body=manifest), type=type)

    def delete(self, kind: str, name: str, *, uid: str = "", grace: int | None = None) -> None:
        """With what it owns. One that is gone, or is another of the same name, is left as it is."""
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self._call("DELETE", self._path(kind, name), body=options)
        except Refusal as refusal:
            if refusal.status not in (404, 409):
                raise

    def logs(self, pod: str, container: str) -> bytes:
        """What a container has written last, each line with its time before it."""
        query = {"container": container, "timestamps": "true", "tailLines": str(LOG_LINES)}
        return self._call("GET", self._path("pods", pod) + "/log", query)

    def watch(self, kind: str, query: Mapping[str, str]) -> Generator[objects.Change]:
        """The changes since the query's resourceVersion, until the API server ends the watch."""
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=WATCH_SECONDS + CONNECT_SECONDS)
        try:
            response = self._pool.request(
                "GET",
                f"{self._path(kind)}?{urlencode(asked)}",
                headers=self._headers(),
                preload_content=False,
                timeout=timeout,
            )
            try:
                if response.status >= 400:
                    raise _refusal(response.status, response.read())
                yield from _lines(response)
            finally:
                # the rest of an unfinished answer must not be taken for the next one's
                response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Silence(f"the watch of {kind} at {self.server} has broken off: {_words(error)}") from None

    # --- underneath ---

    def _path(self, kind: str, name: str = "") -> str:
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        end = f"/{quote(name, safe='')}" if name else ""
        return f"{self._prefix}{group}/namespaces/{quote(self.namespace, safe='')}/{kind}{end}"

    def _headers(self) -> dict[str, str]:
        try:
            token = self._access.token()
        except OSError as error:
            raise Silence(f"the token for {self.server} cannot be read: {error}") from None
        own = {"Authorization": f"Bearer {token}"} if token else {}
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "headrace",
            **own,
        }

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
        patience: float | None = None,
    ) -> bytes:
        """Repeated while nobody answers: names are chosen by the caller, so that nothing is made twice."""
        target = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else msgspec.json.encode(body)
        until, tries = time.monotonic() + (self._patience if patience is None else patience), 0
        while True:
            tries += 1
            pause = random.uniform(0.05, min(3.0, 0.1 * 2**tries))  # noqa: S311 - jitter, no secret
            is_last = time.monotonic() + pause > until
            try:
                response = self._pool.request(method, target, body=content, headers=self._headers())
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if is_last:
                    raise Silence(f"the API server {self.server} does not answer: {_words(error)}") from None
            else:
                if response.status < 400:
                    return response.data
                refusal = _refusal(response.status, response.data)
                # what is made a second time was made by the first call, whose answer was lost
                if response.status not in _BUSY or is_last:
                    raise refusal
            time.sleep(pause)


def _lines(response: urllib3.BaseHTTPResponse) -> Generator[objects.Change]:
    rest = b""
    for piece in response.stream(65536):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line:
                yield msgspec.json.decode(line, type=objects.Change)


def _words(error: Exception) -> str:
    """Without the names of the library's objects before it."""
    return str(error).rpartition("): ")[2]


def _refusal(status: int, data: bytes) -> Refusal:
    """In the API server's own words; a proxy before it may answer with anything."""
    try:
        said = msgspec.json.decode(data, type=objects.Status)
    except msgspec.DecodeError:
        said = objects.Status(message=data[:200].decode(errors="replace"))
    return Refusal(said.code or status, said.reason, said.message or f"HTTP {status}")
