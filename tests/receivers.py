"""Receivers of notifications on real sockets: an HTTP server that answers as it is told, and a mail server that keeps what comes."""

import base64
import contextlib
import dataclasses
import email
import email.policy
import json
import socket
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any


@dataclasses.dataclass
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[["Receiver", Received, socket.socket], None]


def say(status: int = 204, body: bytes = b"", **headers: str) -> Answer:
    """Answers with this."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]

    def answer(receiver: "Receiver", request: Received, connection: socket.socket) -> None:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def hang_up(receiver: "Receiver", request: Received, connection: socket.socket) -> None:
    """Reads and says nothing, as a process that is killed."""


def drip(head: bytes) -> Answer:
    """Sends the head and then a byte now and then, until the other side has enough."""

    def answer(receiver: "Receiver", request: Received, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(head)
            while not receiver.closing.wait(0.05):
                connection.sendall(b"x")

    return answer


def say_raw(content: bytes) -> Answer:
    def answer(receiver: "Receiver", request: Received, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(content)

    return answer


class Receiver:
    """An HTTP server that keeps requests. `answers` are used up one after another, then `usual` answers."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answers: list[Answer] = []
        self.usual: Answer = say()
        self.closing = threading.Event()

        def handle(connection: socket.socket) -> None:
            if (request := _read(connection.makefile("rb"))) is None:
                return
            with self._lock:
                self.requests.append(request)
                answer = self.answers.pop(0) if self.answers else self.usual
            answer(self, request, connection)

        self._lock = threading.Lock()
        self._listener = _Listener(handle)
        self.port = self._listener.port
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def bodies(self) -> list[Any]:
        return [request.json for request in self.requests]

    def close(self) -> None:
        self.closing.set()
        self._listener.close()


class _Listener:
    """Gives each connection to `handle` on a thread of its own; a client that goes away is no news."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._handle(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _read(file: Any) -> Received | None:
    line = file.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (raw := file.readline().decode("latin-1").strip()) != "":
        name, _, value = raw.partition(":")
        headers[name.lower()] = value.strip()
    return Received(line[0], line[1], headers, file.read(int(headers.get("content-length", 0))))


class MailSink:
    """A mail server. `refuses` maps a command's beginning (`RCPT TO:<a@`) to the answer that it gets instead."""

    def __init__(self, *, auth: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.signed_in: list[str] = []
        self.refuses: dict[str, str] = {}
        self.silent_at = ""
        self.closing = threading.Event()
        self._listener = _Listener(lambda connection: self._talk(connection, auth))
        self.port = self._listener.port

    def _talk(self, connection: socket.socket, auth: bool) -> None:
        file = connection.makefile("rb")

        def reply(text: str) -> None:
            connection.sendall(f"{text}\r\n".encode())

        recipients: list[str] = []
        reply("220 sink ESMTP")
        while line := file.readline().decode().strip():
            if self.silent_at and line.upper().startswith(self.silent_at):
                self.closing.wait()
                return
            refused = next(
                (text for begin, text in self.refuses.items() if line.upper().startswith(begin)), None
            )
            if refused is not None:
                reply(refused)
            elif line.upper().startswith("EHLO"):
                reply("250-sink\r\n250-AUTH PLAIN\r\n250 8BITMIME" if auth else "250 sink")
            elif line.upper().startswith("AUTH PLAIN"):
                self.signed_in.append(base64.b64decode(line.split()[2]).decode().replace("\0", " ").strip())
                reply("235 welcome")
            elif line.upper().startswith("RCPT TO:"):
                recipients.append(line[9:-1])
                reply("250 OK")
            elif line.upper() == "DATA":
                reply("354 go on")
                self._keep(file, recipients)
                recipients = []
                reply("250 taken")
            elif line.upper() == "QUIT":
                reply("221 bye")
                return
            else:
                reply("250 OK")

    def _keep(self, file: Any, recipients: list[str]) -> None:
        lines: list[bytes] = []
        while (line := file.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))  # type: ignore[arg-type]
        self.recipients.append(recipients)

    def close(self) -> None:
        self.closing.set()
        self._listener.close()


def soon(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits until it holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
