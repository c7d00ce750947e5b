"""Which graph is being built here and now: task calls ask for it, and a graph under construction answers."""

import contextlib
import contextvars
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Protocol


class Builder(Protocol):
    """A graph under construction."""

    def add(
        self,
        called: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        mapped: bool = False,
        upstream: Iterable[Any] = (),
    ) -> Any:
        """Makes a node of the call of a `task.Task`; answers its future value."""
        ...

    def set_order(self, upstream: Any, downstream: Any) -> None:
        """The node of one future starts after that of another."""
        ...

    def add_parameter(self, definition: Any) -> Any:
        """Declares a parameter; answers its future value."""
        ...


_current: contextvars.ContextVar[Builder | None] = contextvars.ContextVar("headrace_building", default=None)
_tags: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("headrace_tags", default=frozenset())


def current() -> Builder | None:
    return _current.get()


@contextlib.contextmanager
def building(builder: Builder | None) -> Generator[None]:
    """Task calls inside make nodes of `builder`; with None they run the tasks' functions."""
    token = _current.set(builder)
    tagged = _tags.set(frozenset())
    try:
        yield
    finally:
        _tags.reset(tagged)
        _current.reset(token)


@contextlib.contextmanager
def tags(*names: str) -> Generator[None]:
    """Every task called inside bears these tags, beside its own."""
    token = _tags.set(_tags.get() | frozenset(names))
    try:
        yield
    finally:
        _tags.reset(token)


def current_tags() -> frozenset[str]:
    return _tags.get()
