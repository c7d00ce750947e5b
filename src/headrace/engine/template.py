"""The warm template: a process with one thread that has imported the engine and forks a supervisor for each run.

A fork takes a few milliseconds where a new interpreter needs hundreds. Environment and working directory are set after
the fork and before any user code; the run is then nothing of this process's, which may end before it.
"""

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from headrace import tracing
from headrace.engine import supervisor
from headrace.launch import directory as run_directory
from headrace.launch import template

#: What every run imports, besides what the supervisor brings: imported here, once. By name, for none of it is used here
#: and flows lie above the engine. `encodings.idna` is what the first look-up of a host's name imports, asyncio what
#: asynchronous tasks do.
WARM = (
    "asyncio",
    "cloudpickle",
    "urllib3.connectionpool",
    "encodings.idna",
    "headrace.flows",
    "headrace.executors.kinds",
)


def serve(connection: socket.socket) -> None:
    """Forks for whoever holds the other end, until that is closed."""
    wake, poke = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(poke, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    for name in WARM:
        importlib.import_module(name)
    tracing.warm_up()
    gc.collect()
    # what is here now is shared with the runs, until somebody writes to it: the collector must not
    gc.freeze()
    while True:
        ready, _, _ = select.select([connection, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap()
        if connection in ready:
            message = template.receive(connection)
            if message is None:
                return
            request = msgspec.json.decode(message, type=template.Fork)
            pid = os.fork()
            if pid == 0:
                for handle in (wake, poke):
                    os.close(handle)
                _become_supervisor(request, connection)
            try:
                template.send(connection, template.Forked(pid))
            except BrokenPipeError:
                return  # whoever asked has ended; the run finds its way without the answer


def _reap() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _become_supervisor(request: template.Fork, connection: socket.socket) -> NoReturn:
    """The forked child: a session, an environment and standard streams of its own, and then the run."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.close()
        os.setsid()
        os.environ.clear()
        os.environ.update(request.environment)
        time.tzset()
        os.chdir(request.working_directory)
        directory = Path(request.directory)
        output = template.open_output(directory / run_directory.OUTPUT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = supervisor.main(directory)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given)
