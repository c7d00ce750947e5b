"""Tasks: functions with options. Called in a flow's body a task makes a node and answers its future value; elsewhere it runs."""

import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from headrace import errors
from headrace.graph import building
from headrace.graph import options as task_options

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Names that `map` and calls in a flow's body take themselves.
RESERVED = frozenset({"upstream"})


class Unmapped:
    """An argument of `map` that every child gets whole."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Flatten:
    """An argument of which one level of nesting is removed."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def unmapped(value: T) -> T:
    """In `task.map(...)`: give the whole value to every child instead of mapping over it."""
    return cast("T", Unmapped(value))


def flatten(value: Any) -> Any:
    """Turns a list of lists into one list, before it is mapped over or passed on."""
    return Flatten(value)


class Task(Generic[P, R]):
    """A function with options. An instance may be used in any number of flows, any number of times in each.

    `options` is the normal form that the engine reads; `function` is the author's own.
    """

    function: Callable[..., Any]
    options: task_options.Options
    #: What the nodes made from it are, for people: task, parameter, case, merge, flow, resource, operator.
    kind: str

    def __init__(
        self,
        function: Callable[P, R] | Callable[P, Coroutine[Any, Any, R]],
        *,
        kind: str = "task",
        **given: Unpack[task_options.Keywords],
    ) -> None:
        if isinstance(function, Task):
            raise errors.GraphError(
                f"'{function.name}' is a task already; use `{function.name}.with_options(...)`."
            )
        if not callable(function):
            raise errors.GraphError(f"@task needs a function, not {function!r}.")
        functools.update_wrapper(cast("Any", self), function)
        name = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.kind = kind
        self.options = task_options.options(given, name=given.get("name", name))
        _refuse_unnamed(self.signature, self.name)

    @property
    def name(self) -> str:
        return self.options.name

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        try:
            return inspect.signature(self.function)
        except (TypeError, ValueError):
            raise errors.GraphError(
                f"task '{self.name}': the names of its inputs cannot be read; wrap it in a `def`."
            ) from None

    @property
    def is_async(self) -> bool:
        """Whether calling the function gives a coroutine."""
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is `async def`
        )

    @functools.cached_property
    def nout(self) -> int | None:
        """How many values the task returns: the option, or read from a `tuple[A, B]` annotation."""
        if self.options.nout is not None:
            return self.options.nout
        returns = self.signature.return_annotation
        if isinstance(returns, str):
            try:
                returns = typing.get_type_hints(self.function).get("return")
            except (NameError, TypeError, AttributeError):  # names that exist only for type checkers
                return None
        items = typing.get_args(returns) if typing.get_origin(returns) is tuple else ()
        return len(items) if items and Ellipsis not in items else None

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: Any, upstream: Iterable[Any], **kwargs: Any) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a flow's body: a node, and its future value. Elsewhere: runs the function here and now.

        An `async` task called where no event loop runs is run to its end; where one runs, what it answers is awaited.
        """
        builder = building.current()
        if builder is not None:
            upstream: Iterable[Any] = kwargs.pop("upstream", ())
            return builder.add(self, args, kwargs, upstream=upstream)
        if "upstream" in kwargs:
            raise errors.GraphError(
                f"task '{self.name}': `upstream` orders tasks in a flow's body; here is no flow."
            )
        answer = self.function(*args, **kwargs)
        return _run(answer) if self.is_async and not _in_loop() else answer

    def map(self, *args: Any, upstream: Iterable[Any] = (), **kwargs: Any) -> list[R]:
        """One run for each item of the arguments (the shortest decides); `unmapped(x)` is given whole to each."""
        builder = building.current()
        if builder is None:
            raise errors.GraphError(
                f"`{self.name}.map` makes a node in a flow's body, and here is no flow; "
                f"use it in a `@flow` function, or a plain loop over `{self.name}(...)`."
            )
        return builder.add(self, args, kwargs, mapped=True, upstream=upstream)

    def with_options(self, **given: Unpack[task_options.Keywords]) -> "Task[P, R]":
        """The same function with some options changed; this task stays as it is."""
        copy: Task[P, R] = object.__new__(type(self))
        copy.__dict__.update(self.__getstate__())
        copy.options = task_options.options(given, name=given.get("name", self.name), before=self.options)
        return copy

    def canonical_form(self, forms: Any) -> Any:
        """What decides a version: the function, and the options that are no words for people."""
        chosen = {each.name: getattr(self.options, each.name) for each in dataclasses.fields(self.options)}
        del chosen["name"], chosen["description"]
        return ["task", self.kind, forms.named(self.name, self.function), forms.named(self.name, chosen)]

    def __getstate__(self) -> Mapping[str, Any]:
        """Without what is computed again on demand: an annotation need not be picklable."""
        return {name: value for name, value in self.__dict__.items() if name not in {"signature", "nout"}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


class Decorator(typing.Protocol):
    """What `task(retries=3)` answers."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Task[P, R]: ...


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**given: Unpack[task_options.Keywords]) -> Decorator: ...
def task(function: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """Makes a task of a function: `@task`, or `@task(retries=3, retry_delay=timedelta(seconds=2))`."""
    if function is not None:
        return Task(function, **given)
    task_options.options(given, name=given.get("name", "…"))
    return functools.partial(Task, **given)


def _refuse_unnamed(signature: inspect.Signature, name: str) -> None:
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise errors.GraphError(
                f"task '{name}' takes *{parameter.name}, but each input of a task needs a name; take a list."
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise errors.GraphError(
                f"task '{name}': input '{parameter.name}' is positional-only; tasks get their inputs by name."
            )
        if parameter.name in RESERVED:
            raise errors.GraphError(
                f"task '{name}': the input name '{parameter.name}' is taken (it orders tasks); choose another."
            )


def _in_loop() -> bool:
    if "asyncio" not in sys.modules:
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio  # 40 ms that only asynchronous tasks should cost

    return asyncio.run(coroutine)
