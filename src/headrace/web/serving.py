"""Running a service: one port, its loops beside it, and an end without hanging.

uvicorn waits for open answers before it stops, so held ones would hang Ctrl-C: the service is told to drain first.
"""

import asyncio
import contextlib
import errno
import logging
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any

import uvicorn

from headrace import errors
from headrace.web import figures, loops, service

log = logging.getLogger(__name__)

#: After this long at the end, connections that are still open are cut.
PATIENCE_SECONDS = 5
BACKLOG = 2048
#: The longest pause between two tries to reach a database that does not answer at the start.
LONGEST_RETRY = 0.5
#: How often the event loop's lag is measured.
LAG_SECONDS = 1.0


class Readiness:
    """Why a server cannot do its work yet; None once it can."""

    def __init__(self) -> None:
        self.reason: str | None = "it is starting"
        self.event = asyncio.Event()

    def __call__(self) -> str | None:
        return self.reason

    def reached(self) -> None:
        self.reason = None
        self.event.set()


class _Server(uvicorn.Server):
    """uvicorn with our own signals: it only stops when it is told."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises errors.SettingsError in words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns off Nagle's algorithm, 40 ms an answer, only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise errors.SettingsError(
                f"port {port} on {host} is in use, perhaps by another headrace server: stop it, or choose another with"
                " --port (HEADRACE_PORT)"
            ) from None
        raise errors.SettingsError(
            f"the server cannot listen on {host}:{port}: {error.strerror or error}"
        ) from None


async def serve(
    owner: service.Service,
    application: Any,
    listener: socket.socket,
    *,
    duties: Iterable[loops.Loop],
    prepare: Callable[[], Awaitable[None]],
    readiness: Readiness,
    started: Callable[[], None] | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or `owner.drain()`, then ends in order and closes the service.

    The port answers from the first moment (`/readyz` says why not); loops begin when `prepare` has succeeded, which is
    tried again while the database does not answer. `started` is called once everything runs.
    """
    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
        ws_max_size=64 * 1024,
        backlog=BACKLOG,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    with _signals(loop, owner.drain):
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        work = asyncio.create_task(_work(owner, duties, prepare, readiness, started), name="work")
        draining = asyncio.create_task(owner.draining.wait(), name="draining")
        lagging = asyncio.create_task(_measure(owner.lag), name="lag")
        try:
            await asyncio.wait((serving, work, draining), return_when=asyncio.FIRST_COMPLETED)
        finally:
            owner.drain()
            server.should_exit = True
            await asyncio.wait((serving,))
            for task in (work, draining, lagging):
                task.cancel()
            await asyncio.gather(work, draining, lagging, return_exceptions=True)
            await owner.close()
    for task in (work, serving):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _measure(lag: figures.Histogram) -> None:
    """Once a second, how much later than asked for the event loop comes back: for so long it answered nobody."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        lag.add(max(loop.time() - due, 0.0))


async def _work(
    owner: service.Service,
    duties: Iterable[loops.Loop],
    prepare: Callable[[], Awaitable[None]],
    readiness: Readiness,
    started: Callable[[], None] | None,
) -> None:
    delay = 0.1
    while True:
        try:
            await prepare()
            break
        except errors.Unavailable as error:
            if readiness.reason != error.message:
                log.warning("not ready: %s", error.message)
            readiness.reason = error.message
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311 - spreads the tries
            delay = min(delay * 2, LONGEST_RETRY)
    readiness.reached()
    if started is not None:
        started()
    await loops.run_all(owner, duties)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> Generator[None, None, None]:
    """SIGTERM and Ctrl-C do the action; where the loop is not the main thread's, nothing is caught."""
    caught: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, action)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def run(main: Callable[[], Any]) -> None:
    """Runs the coroutine function on the fastest event loop there is."""
    factory: Any = None
    if sys.platform != "win32":
        with contextlib.suppress(ImportError):
            import uvloop

            factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
