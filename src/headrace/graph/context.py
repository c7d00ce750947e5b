"""What a task may ask about the run it is in: `context.run_id`, `context.attempt`, `context.logger` …

The engine enters one `Run` for a run and one `Task` for each attempt of a task; entering sets one context variable.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headrace import errors
from headrace.graph import options as task_options

if TYPE_CHECKING:
    import logging


def _logger() -> "logging.Logger":
    import logging  # a third of what importing `flow` may cost, and needed only in a run

    return logging.getLogger("headrace.task")


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The facts of a flow run. `fence` numbers its holders: a later one has a higher fence."""

    run_id: str
    flow_name: str
    parameters: Mapping[str, Any]
    run_name: str = ""
    project: str = ""
    fence: int = 0
    run_attempt: int = 1
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Task:
    """The facts of one attempt of a task. `map_index` is -1 where the task is not mapped."""

    run: Run
    task_name: str
    task_slug: str
    map_index: int = -1
    attempt: int = 1
    task_run_name: str = ""
    tags: frozenset[str] = frozenset()
    loop_count: int = 1
    loop_value: Any = None
    resumed: bool = False
    logger: "logging.Logger" = dataclasses.field(default_factory=_logger)


_current: contextvars.ContextVar[Run | Task | None] = contextvars.ContextVar("headrace_context", default=None)


@contextlib.contextmanager
def entered(facts: Run | Task) -> Generator[None]:
    """`context` answers from these facts inside."""
    token = _current.set(facts)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Run | Task | None:
    return _current.get()


_RUN = frozenset(field.name for field in dataclasses.fields(Run))
_TASK = frozenset(field.name for field in dataclasses.fields(Task)) - {"run"}


class Context:
    """The facts of the task and run that this code is in, as attributes."""

    __slots__ = ()

    if TYPE_CHECKING:
        run_id: str
        flow_name: str
        parameters: Mapping[str, Any]
        run_name: str
        project: str
        fence: int
        run_attempt: int
        scheduled_at: datetime | None
        started_at: datetime | None
        labels: tuple[str, ...]
        task_name: str
        task_slug: str
        map_index: int
        attempt: int
        task_run_name: str
        tags: frozenset[str]
        loop_count: int
        loop_value: Any
        resumed: bool
        logger: "logging.Logger"
    else:

        def __getattr__(self, name: str) -> Any:
            facts = _current.get()
            if name in _TASK:
                if isinstance(facts, Task):
                    return getattr(facts, name)
                raise _outside(name, "task")
            if name in _RUN:
                if facts is None:
                    raise _outside(name, "run")
                return getattr(facts.run if isinstance(facts, Task) else facts, name)
            if name.startswith("_"):
                raise AttributeError(name)
            raise errors.GraphError(
                f"`context` has no '{name}'{task_options.suggestion(name, sorted(_RUN | _TASK))}."
            )

    def __bool__(self) -> bool:
        """Whether this code is in a run."""
        return _current.get() is not None

    def __dir__(self) -> list[str]:
        return sorted(_RUN | _TASK)

    def __repr__(self) -> str:
        return f"<context of {_current.get()}>"

    def __reduce__(self) -> str:
        return "context"


def _outside(name: str, place: str) -> errors.GraphError:
    return errors.GraphError(f"`context.{name}` is known only inside a {place}; this code runs outside one.")


context = Context()
