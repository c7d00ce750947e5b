"""The warm template as its user sees it: a process that has imported the engine and forks a supervisor for each run.

The two speak over a socket pair that no other process can reach: there is no path to guess and no port to scan. The
template ends with whoever started it; the runs it has forked go on.
"""

import contextlib
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import msgspec

from headrace import errors

#: Seconds to wait for a fork; the first one waits for the template's imports too.
ANSWER_SECONDS = 10.0
#: What the interpreter or the C library read at their start: a run that needs another value cannot be forked.
_READ_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_")
_LENGTH = struct.Struct(">I")


class Fork(msgspec.Struct, frozen=True):
    """Asks for a supervisor of this directory's run."""

    directory: str
    environment: dict[str, str]
    working_directory: str


class Forked(msgspec.Struct, frozen=True):
    """The supervisor's process."""

    pid: int


def send(connection: socket.socket, message: msgspec.Struct) -> None:
    """One message, with its length before it."""
    content = msgspec.json.encode(message)
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket) -> bytes | None:
    """The next message's bytes; None when the other side has ended."""
    head = _exactly(connection, _LENGTH.size)
    return None if head is None else _exactly(connection, _LENGTH.unpack(head)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            return None
        content += part
    return content


def is_available() -> bool:
    """Whether forking is safe enough here: macOS's own libraries do not survive it."""
    return sys.platform == "linux"


class Template:
    """One warm process, started at the first need and again when it has ended. Used by one thread at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def fits(self, environment: dict[str, str]) -> bool:
        """Whether a run with this environment can be forked: what Python reads at its start is the same."""
        return _fixed(environment) == _fixed(self._environment)

    def start(self) -> None:
        """Starts the process; it imports while its user does something else."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair()
        ours.settimeout(ANSWER_SECONDS)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "headrace.engine.template", str(theirs.fileno())],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket = ours

    def fork(self, directory: Path, environment: dict[str, str], working_directory: Path) -> int:
        """The pid of a supervisor for this directory's run. Raises errors.LaunchError when the template does not answer."""
        self.start()
        assert self._socket is not None
        try:
            send(self._socket, Fork(str(directory), environment, str(working_directory)))
            answer = receive(self._socket)
        except OSError as error:
            self.close()
            raise errors.LaunchError(f"the warm template does not answer: {error}") from None
        if answer is None:
            self.close()
            raise errors.LaunchError("the warm template has ended")
        return msgspec.json.decode(answer, type=Forked).pid

    def close(self) -> None:
        """Ends the template; the runs go on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid


def _fixed(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


def open_output(path: Path) -> int:
    """A file for what a run's processes write to their standard streams; only its owner can read it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
