"""Where artifacts go that the code running here makes: to the run that it is part of.

Kept apart from what makes them, so that a worker process loads none of that before a task needs it.
"""

import contextlib
import contextvars
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.wire.artifacts import ArtifactRecord

#: Takes an artifact, from any thread; it never blocks.
Sink = Callable[["ArtifactRecord"], None]

_sink: contextvars.ContextVar[Sink | None] = contextvars.ContextVar("headrace_artifacts", default=None)


def sink() -> Sink | None:
    """What takes artifacts here; None outside a run."""
    return _sink.get()


@contextlib.contextmanager
def to(taking: Sink) -> Generator[None]:
    """Inside, artifacts go there."""
    token = _sink.set(taking)
    try:
        yield
    finally:
        _sink.reset(token)
