"""Three servers on one PostgreSQL, processes of their own, behind a plain round-robin proxy."""

import contextlib
import subprocess
from pathlib import Path

import stack as stacks
from headrace import client
from headrace.wire import operations
from round_robin import RoundRobin


class Several(stacks.Stack):
    """Three servers, and the proxy at the address that all others know."""

    def __init__(self, folder: Path, database_url: str) -> None:
        super().__init__(folder, database_url=database_url)
        self.ports = [stacks.free_port() for _ in range(3)]
        self.servers: dict[int, subprocess.Popen[bytes]] = {}
        self.proxy: RoundRobin | None = None

    def start_all(self) -> None:
        outer = self.port
        first, *rest = self.ports
        # the first one makes what the others find
        self.port, self.url = first, f"http://127.0.0.1:{first}"
        self.start_server()
        assert self.server is not None
        self.servers[first], self.server = self.server, None
        for port in rest:
            self.start_one(port)
        self.proxy = RoundRobin(outer, self.ports)
        self.port, self.url = outer, f"http://127.0.0.1:{outer}"
        self.api.close()
        self._api = None

    def start_together(self) -> None:
        """All at the same moment, on a database that is there; nobody signs in."""
        for port in self.ports:
            self._start(port)
        for port in self.ports:
            self.until(lambda port=port: answers(port), f"the server at {port} is ready")

    def start_one(self, port: int) -> None:
        """A server that was not there, or starts again."""
        self._start(port)
        self.until(lambda: answers(port), f"the server at {port} is ready")

    def _start(self, port: int) -> None:
        self.servers[port] = self._spawn(f"server-{port}", ["-m", "headrace", "server", "--port", str(port)])

    def close(self) -> None:
        if self.proxy is not None:
            self.proxy.close()
        for process in self.servers.values():
            self.kill(process)
        super().close()


def answers(port: int) -> bool:
    probe = client.Client(f"http://127.0.0.1:{port}", "", patience=0)
    with contextlib.closing(probe), contextlib.suppress(Exception):
        probe.call(operations.read_me, operations.read_me.request())
        return True
    return False
