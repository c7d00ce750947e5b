"""Starts servers by the dozen: a process that has imported all of it once, and forks.

What is forked is a server as any other (its own database, loop, threads and port, all made after the fork), but for three
things: its clock stands still, its loops do not run, so that what changes is the request's doing alone; and it dies where
it is told to. One line of JSON in is one order, one line out its answer.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import uvicorn

from failpoints import planted, points
from headrace.server import app, mail, migrations
from headrace.settings import Settings
from headrace.web import database as databases
from headrace.web import postgres, routes, serving
from headrace.wire import operations

#: Of the tests' servers.
SECRET = b"a secret of the tests, long enough"


def main() -> None:
    _prepare()
    gc.freeze()  # what is here is looked at by no collection after the fork, which would copy its pages
    for line in sys.stdin:
        order = json.loads(line)
        answer = _start(order) if order["do"] == "start" else _end(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _prepare() -> None:
    """What takes long and is the same for all: imported and made here, not in each server."""
    postgres._engine("postgresql://nobody@localhost/nothing")
    uvicorn.Config(_nobody, interface="asgi3", lifespan="off", log_config=None).load()
    made = routes.Routes(operations.OPERATIONS)
    routes.Routes = lambda _: made  # type: ignore[misc, assignment]
    serving.run(_nothing)


async def _nobody(scope: object, receive: object, send: object) -> None:
    """No application."""


async def _nothing() -> None:
    """Imports the event loop."""


def _start(order: dict[str, Any]) -> dict[str, Any]:
    """A server that is ready."""
    began = time.monotonic()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            _serve(order, writing)
            code = 0
        except BaseException as error:  # noqa: BLE001 - a forked process must not go on as its parent
            sys.stderr.write(f"the server ends: {error!r}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as said:
        port = said.readline()
    return {"pid": pid, "port": int(port or 0), "seconds": time.monotonic() - began}


def _end(order: dict[str, Any]) -> dict[str, Any]:
    """How a server has ended. `stop`: it is told to; `wait`: it does so by itself."""
    if order["do"] == "stop":
        os.kill(order["pid"], signal.SIGUSR1)
    _, status = os.waitpid(order["pid"], 0)
    return {"code": os.waitstatus_to_exitcode(status)}


def _serve(order: dict[str, Any], writing: int) -> None:
    settings = msgspec.convert(order["settings"], Settings, dec_hook=lambda _, value: Path(value))
    now = datetime.fromisoformat(order["now"])
    watched = points.Points(order.get("at"), order.get("name", ""))
    if order.get("plant"):
        planted.PLANTS[order["plant"]]()
    watched.install()
    listener = serving.listen("127.0.0.1", 0)

    async def run() -> None:
        with listener:
            database = databases.Database.open(settings.database, clock=lambda: now)
            built = app.build(settings, database, secret=SECRET)
            readiness = serving.Readiness()

            async def prepare() -> None:
                await database.start()
                await migrations.prepare(database)

            def started() -> None:
                os.write(writing, f"{listener.getsockname()[1]}\n".encode())
                os.close(writing)

            async def stop() -> None:
                """What follows the answer is done too; then it is gone, without an end in order."""
                await built.part(mail.Postbox).emptied()
                _leave(order, watched)

            asyncio.get_running_loop().add_signal_handler(
                signal.SIGUSR1, lambda: stopping.append(asyncio.ensure_future(stop()))
            )
            stopping: list[Any] = []
            await serving.serve(
                built,
                watched.around(app.application(built, readiness), order["request_id"]),
                listener,
                duties=(),
                prepare=prepare,
                readiness=readiness,
                started=started,
            )

    serving.run(run)


def _leave(order: dict[str, Any], watched: points.Points) -> NoReturn:
    if order.get("trace"):
        Path(order["trace"]).write_text(json.dumps(watched.reached))
    os._exit(0)


if __name__ == "__main__":
    main()
