"""The engine's HTTP API, over its socket. Paths have no version: each engine since Docker 20.10 answers them, and Podman."""

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from headrace import errors

#: Seconds for what the engine answers from its own knowledge.
ANSWER_SECONDS = 10.0
#: An engine that did not answer is not asked again for so long: what waits for many answers must not wait for each.
AWAY_SECONDS = 1.0
#: Found away again within so many seconds it is the same outage.
OUTAGE_SECONDS = 60.0
#: Seconds that a pull may be silent.
PULL_SECONDS = 300.0


class EngineError(Exception):
    """The engine refuses a call. `status` is HTTP's, the text its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket with a path."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine by its address, as DOCKER_HOST has it: unix://PATH or tcp://HOST:PORT. A connection for each call."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("unix", "tcp", "http") or not (parts.path or parts.hostname):
            raise errors.SettingsError(
                f"the agent cannot speak to a container engine at {url!r}: DOCKER_HOST must be unix://PATH or tcp://HOST:PORT."
            )
        self.url = url
        self._parts = parts
        self._away_until = 0.0
        #: When it was found away the last time, from when until when, in seconds since 1970.
        self.outage = (0.0, 0.0)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> Any:
        """The answer's JSON. Raises EngineError when the engine refuses, errors.LaunchError (engine_down) when it is away."""
        content = self.read(method, path, query, body, timeout=timeout)
        try:
            return msgspec.json.decode(content) if content.strip() else None
        except msgspec.DecodeError as error:
            raise self._away(f"what answers is no container engine: {error}") from None

    def read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> bytes:
        """The answer as it is."""
        with self._asked(method, path, query, body, {}, timeout) as (_, answer):
            return answer.read()

    def lines(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        """The objects of an answer that comes piece by piece, as a pull's does."""
        with self._asked(method, path, query, None, headers, PULL_SECONDS) as (_, answer):
            for line in answer:
                if line.strip():
                    yield msgspec.json.decode(line, type=dict[str, Any])

    def waiting(self, container: str) -> int | None:
        """A descriptor that can be read when the container does not run any more, or the engine has ended. None: there is none."""
        with contextlib.suppress(OSError, EngineError, errors.LaunchError):
            connection = self._connection(ANSWER_SECONDS)
            connection.connect()
            with connection.sock as opened:
                opened.sendall(
                    f"POST /containers/{container}/wait?condition=not-running HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n".encode()
                )
                # the head comes at once and the body at the end: it stays unread
                if _head(opened).startswith(b"HTTP/1.1 200"):
                    opened.settimeout(None)
                    return os.dup(opened.fileno())
        return None

    def is_there(self) -> bool:
        self._away_until = 0.0
        try:
            self.read("GET", "/_ping", timeout=2.0)
        except (EngineError, errors.LaunchError):
            return False
        return True

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._parts.scheme == "unix":
            return _UnixConnection(self._parts.path, timeout)
        return http.client.HTTPConnection(
            self._parts.hostname or "", self._parts.port or 2375, timeout=timeout
        )

    @contextlib.contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        headers: Mapping[str, str],
        timeout: float,
    ) -> Generator[tuple[http.client.HTTPConnection, http.client.HTTPResponse]]:
        if time.monotonic() < self._away_until:
            raise self._away("it did not answer a moment ago")
        connection = self._connection(timeout)
        try:
            sent = {"Content-Type": "application/json", **headers} if body is not None else dict(headers)
            connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                msgspec.json.encode(body) if body is not None else None,
                sent,
            )
            answer = connection.getresponse()
            if answer.status >= 400:
                raise EngineError(answer.status, _message(answer.read()))
            yield connection, answer
        except (OSError, http.client.HTTPException) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            begin, end = self.outage
            now = time.time()
            self.outage = (begin if now - end < OUTAGE_SECONDS else now, now)
            raise self._away(str(error) or type(error).__name__) from None
        finally:
            connection.close()

    def _away(self, why: str) -> errors.LaunchError:
        hint = " The agent's user may not use it." if "Permission denied" in why else ""
        return errors.LaunchError(
            f"the container engine at {self.url} does not answer ({why}).{hint}", reason="engine_down"
        )


def _message(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content, type=dict[str, Any])["message"])
    except (msgspec.DecodeError, KeyError):
        return content.decode(errors="replace").strip()[:500]


def _head(opened: socket.socket) -> bytes:
    """An answer's head, and not one byte of its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = opened.recv(1)
        if not byte:
            break
        head += byte
    return head
