"""The network between the model's actors and the servers: what may become of a message, and a server that dies in it.

A message that is late is one that the server has authenticated and not yet worked on: it is done when the model says so,
by whichever server had got it, whatever its sender has done since.
"""

import contextlib
from collections.abc import Generator
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.web import handlers
from headrace.wire import operations

#: What becomes of a message. `slow`: it takes seconds there and back. `torn`: the server dies before the answer leaves
#: it. `crash`: the server dies before the statement of a number.
FATES = ("ok", "dropped", "unanswered", "late", "twice", "slow", "torn", "crash")
#: Seconds there and seconds back, of a slow message: within the time-out of every client.
SLOW = ((0, 7), (3, 4), (6, 1), (0, 3))


class Fate(NamedTuple):
    """`detail` chooses the statement of a crash, or the seconds of a slow message."""

    kind: str = "ok"
    detail: int = 0


OK = Fate()


class DiedError(Exception):
    """The server's process is gone."""


class Message(NamedTuple):
    operation: operations.Operation[Any, Any]
    request: wire.Message
    caller: handlers.Caller
    request_id: str | None = None

    @property
    def run_id(self) -> UUID | None:
        return getattr(self.request, "flow_run_id", None)

    @property
    def fence(self) -> int | None:
        return getattr(self.request, "fence", None)


class Network:
    """Delivers messages as their fates say. `world` performs them."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.late: list[tuple[Message, int]] = []

    def send(self, message: Message, server: int, fate: Fate = OK) -> Any:
        """The answer, or an error: errors.Unreachable where the sender cannot know what became of it."""
        perform = self._world.perform
        match fate.kind:
            case "ok":
                return perform(message, server)
            case "late":
                self.late.append((message, server))
            case "twice":
                answer = perform(message, server)
                self._quietly(message, server)
                return answer
            case "slow":
                there, back = SLOW[fate.detail % len(SLOW)]
                self._world.pass_time(there)
                try:
                    return perform(message, server)
                finally:
                    self._world.pass_time(back)
            case "unanswered":
                self._quietly(message, server)
            case "torn" | "crash":
                with dying(fate.detail if fate.kind == "crash" else None):
                    self._quietly(message, server)
                self._world.restart_server(server)
            case _:
                pass
        raise errors.Unreachable(f"no answer: {fate.kind}")

    def deliver_late(self, number: int) -> None:
        """One that was held up arrives; nobody waits for its answer."""
        if self.late:
            message, server = self.late.pop(number % len(self.late))
            self._quietly(message, server)

    def _quietly(self, message: Message, server: int) -> None:
        with contextlib.suppress(errors.HeadraceError, DiedError):
            self._world.perform(message, server)


@contextlib.contextmanager
def dying(at: int | None) -> Generator[None]:
    """Inside, the server dies before its statement of this number (from 0); None: it does not."""
    left = at

    def count(*_: Any) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise DiedError

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
