"""Agents and run processes that only speak: many of them in one process, over the real HTTP API, with little CPU of their own.

Each has one connection that stays open, as the real ones have. Requests are made by the client of the library.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from headrace import Client, wire
from headrace.wire import agents, operations, runs
from headrace.wire.operations import Operation

Req = TypeVar("Req", bound=wire.Message)
Ans = TypeVar("Ans", bound=wire.Answer)


class Line:
    """One open connection to the server, for one request at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, client: Client, operation: Operation[Req, Ans], request: Req) -> Ans:
        """As the client's `call`, in one try. Raises what the server says."""
        sent = client.prepare(operation, request)
        body = sent.body or b""
        headers = {**sent.headers, "Host": f"{self._host}:{self._port}", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        status, data = await self._exchange(
            f"{sent.method} {sent.target} HTTP/1.1\r\n{head}\r\n".encode() + body
        )
        return client.answer(operation, status, data)

    async def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Agent:
    """Registered under its name, with one line for its claims and one for its signs of life."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name
        url = client.server_url
        self.claims, self._life = Line(url), Line(url)
        self.id: UUID | None = None

    async def register(self) -> None:
        request = agents.RegisterAgent(name=self.name, instance=self.name, launches=["local"])
        self.id = (await self._life.call(self.client, operations.register_agent, request)).id

    async def claim(self, seconds: float) -> runs.Assignment | None:
        assert self.id is not None
        request = runs.ClaimFlowRun(agent_id=self.id, wait_seconds=seconds)
        return (await self.claims.call(self.client, operations.claim_flow_run, request)).assignment

    async def beat(self, held: Sequence[runs.Assignment] = ()) -> float:
        """Shows that it lives, with the runs that it has in hand. Seconds until the next."""
        assert self.id is not None
        listed = [agents.RunInHand(flow_run_id=each.flow_run_id, fence=each.fence) for each in held]
        request = agents.HeartbeatAgent(agent_id=self.id, instance=self.name, runs=listed)
        return (await self._life.call(self.client, operations.heartbeat_agent, request)).heartbeat_seconds


async def start(client: Client, line: Line, found: runs.Assignment) -> runs.RunAnswer:
    """What a run process asks before any user code."""
    request = runs.StartFlowRun(
        flow_run_id=found.flow_run_id,
        fence=found.fence,
        content_sha256=found.content_sha256,
        host="bench",
        pid=os.getpid(),
    )
    return await line.call(client, operations.start_flow_run, request)


class Crowd:
    """Processes that carry out a coroutine of a script, `crowd(url, key, number, **more)`, beside the measuring one.

    They say a line when they are ready; they begin when they are told, and say what they found as JSON.
    """

    def __init__(self, script: Path, processes: int, /, **more: Any) -> None:
        self._processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    str(script),
                    "--crowd",
                    msgspec.json.encode({"number": number, **more}).decode(),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(
                        (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
                    ),
                },
            )
            for number in range(processes)
        ]

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: Any) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def ready(self) -> None:
        """Waits until all are."""
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError("a simulated part failed before it began: see above")

    def begin(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(b"begin\n")
            process.stdin.flush()

    def found(self) -> list[Any]:
        """What each has found, when it has come to its end."""
        said: list[Any] = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("a simulated part failed: see above")
            said.append(msgspec.json.decode(line))
        return said


def is_member() -> bool:
    return "--crowd" in sys.argv


def join(crowd: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    """A process of the crowd: what it does, with what `Crowd` was given."""
    given: Mapping[str, Any] = msgspec.json.decode(sys.argv[sys.argv.index("--crowd") + 1])
    found = asyncio.run(crowd(**given))
    print(msgspec.json.encode(found).decode(), flush=True)


async def told_to_begin() -> None:
    """Says that this process of the crowd is ready, and waits for the others."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
