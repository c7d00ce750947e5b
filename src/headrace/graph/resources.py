"""Resources: something set up before a block of tasks and cleaned up after it, whatever happened inside."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, Generic, ParamSpec, Protocol, Unpack, cast, overload

from headrace import errors
from headrace.graph import building, future, graph, task, triggers
from headrace.graph import options as task_options

P = ParamSpec("P")


class Kind(Protocol):
    """What `@resource` decorates: made with the arguments of the `with` line, set up and cleaned up in the run."""

    def setup(self) -> Any:
        """Answers what the tasks of the block get."""
        ...

    def cleanup(self, value: Any, /) -> None: ...


class _SetUp:
    """Makes the object and sets it up; answers both it, for the clean-up, and what it set up, for the block."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.__signature__ = inspect.signature(kind)

    def __call__(self, **inputs: Any) -> tuple[Any, Any]:
        made = self.kind(**inputs)
        return made, made.setup()


def _clean_up(made: tuple[Any, Any]) -> None:
    keeper, value = made
    keeper.cleanup(value)


class Resource(Generic[P]):
    """Called in a flow's body it is a block: `with cluster(size=3) as address: work(address)`."""

    def __init__(self, kind: Callable[P, Any], **given: Unpack[task_options.Keywords]) -> None:
        made = cast("type[Any]", kind)
        for method in ("setup", "cleanup"):
            if not callable(getattr(made, method, None)):
                raise errors.GraphError(
                    f"@resource '{made.__name__}' has no method `{method}`; it needs `setup()` and `cleanup(value)`."
                )
        self.name = given.pop("name", made.__name__)
        self.kind = made
        self._set_up: task.Task[..., Any] = task.Task(
            _SetUp(made), kind="resource", **{**given, "name": f"{self.name}-setup"}
        )
        cleaned: task_options.Keywords = {**given, "name": f"{self.name}-cleanup"}
        cleaned.update(trigger=triggers.set_up_succeeded, skip_on_upstream_skip=False)
        self._clean_up: task.Task[..., Any] = task.Task(_clean_up, kind="resource", **cleaned)

    @contextlib.contextmanager
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Any]:
        owner = building.current()
        if not isinstance(owner, graph.Graph):
            raise errors.GraphError(
                f"resource '{self.name}' belongs into a flow's body; outside one use `{self.name}.kind` itself."
            )
        made = owner.add(self._set_up, args, kwargs)
        inside: list[graph.Node] = []
        with owner.block(inside.append):
            yield future.Future(owner, _slug(made), index=1)
        slugs = {node.slug for node in inside}
        for node in inside:
            if not any(each.upstream in slugs or each.upstream == _slug(made) for each in node.upstream):
                owner.set_order(made, node.slug)
        last = [node.slug for node in inside if not any(each.downstream in slugs for each in node.downstream)]
        owner.add(self._clean_up, (made,), upstream=last)


@overload
def resource(kind: Callable[P, Kind], /) -> Resource[P]: ...
@overload
def resource(**given: Unpack[task_options.Keywords]) -> Callable[[Callable[P, Kind]], Resource[P]]: ...
def resource(kind: Any = None, /, **given: Any) -> Any:
    """Makes a resource of a class with `setup()` and `cleanup(value)`; options are those of tasks, for both of them."""
    if kind is not None:
        return Resource(kind, **given)
    return functools.partial(Resource, **given)


def _slug(made: future.Future) -> str:
    return future.locate(made)[1]
