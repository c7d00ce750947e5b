"""A container engine that only records what it is asked, for what no engine here can do: GPUs, registries, slow pulls."""

import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class FakeEngine:
    """Answers at a socket. Images named here are there; a pull ends when the test says so."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.images: set[str] = set()
        self.security: list[str] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.may_pull = threading.Event()
        self.pull_error = ""
        #: A pull whose asker has gone away.
        self.pull_broken = threading.Event()
        self.ends = threading.Event()
        self.containers: dict[str, dict[str, Any]] = {}
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                engine.answer(self, None)

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                engine.answer(self, json.loads(self.rfile.read(size) or b"null"))

            def do_DELETE(self) -> None:
                engine.answer(self, None)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.ends.set()
        self.may_pull.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def bodies(self, path: str) -> list[Any]:
        """What was sent to this path."""
        return [body for _, asked, _, body in self.asked if asked.partition("?")[0] == path]

    def answer(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        self.asked.append((request.command, request.path, dict(request.headers), body))
        path = request.path.partition("?")[0]
        if path == "/images/create":
            self._pull(request)
        elif found := re.fullmatch(r"/images/(.+)/json", path):
            self._say(request, 200 if found[1] in self.images else 404, {"message": "No such image"})
        elif path == "/containers/create":
            self.containers["one"] = {**body, "Id": "one"}
            self._say(request, 201, {"Id": "one"})
        elif path.endswith("/start"):
            self._say(request, 204)
        elif path == "/info":
            self._say(request, 200, {"SecurityOptions": self.security})
        elif path == "/containers/json":
            self._say(request, 200, [])
        elif path == "/_ping":
            self._say(request, 200, "OK")
        else:
            self._say(request, 404, {"message": "No such container"})

    def _pull(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        try:
            while not self.may_pull.wait(0.05):
                request.wfile.write(b'{"status": "Downloading"}\r\n')
        except OSError:
            self.pull_broken.set()
            return
        if self.pull_error:
            request.wfile.write(json.dumps({"error": self.pull_error}).encode() + b"\r\n")
        request.close_connection = True

    def _say(self, request: BaseHTTPRequestHandler, status: int, value: Any = None) -> None:
        content = b"" if value is None else json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
