"""Turning what a task was called with into arguments: constants, references to other nodes, collections of them."""

from collections.abc import Iterator
from typing import Any, cast

from headrace import errors
from headrace.graph import building, edge, future, task

_COLLECTIONS = (list, tuple, set, frozenset, dict)


def argument(value: Any, graph: building.Builder) -> edge.Argument:
    """The argument that `value` is. Raises errors.GraphError for a future value of another flow."""
    if isinstance(value, future.Future):
        owner, slug, index = future.locate(value)
        if owner is not graph:
            raise errors.GraphError(
                f"The value of '{slug}' belongs to another flow; give it to this one as a parameter, or return it from a sub-flow."
            )
        return edge.Reference(slug, index)
    if isinstance(value, task.Flatten):
        return edge.Flattened(argument(value.value, graph))
    if isinstance(value, task.Unmapped):
        return argument(value.value, graph)
    if isinstance(value, task.Task):
        raise errors.GraphError(
            f"'{cast('task.Task[..., Any]', value).name}' is a task, not its value; call it: `{value.name}(...)`."
        )
    if isinstance(value, _COLLECTIONS):
        return _collection(cast("Any", value), graph)
    return edge.Constant(value)


def _collection(value: Any, graph: building.Builder) -> edge.Argument:
    kind = cast("type[Any]", type(value))
    parts: list[Any] = [part for pair in value.items() for part in pair] if issubclass(kind, dict) else value
    items = tuple([argument(part, graph) for part in parts])
    if all(type(item) is edge.Constant for item in items):
        return edge.Constant(value)
    if kind not in _COLLECTIONS:
        raise errors.GraphError(
            f"A {kind.__name__} holds a future value, which cannot be filled in there; use a plain list, tuple, set or dict."
        )
    return edge.Collection(kind, items)


def references(given: edge.Argument, *, flattened: bool = False) -> Iterator[tuple[edge.Reference, bool]]:
    """Every reference inside, and whether it is flattened on its way."""
    match given:
        case edge.Reference():
            yield given, flattened
        case edge.Flattened(inner):
            yield from references(inner, flattened=True)
        case edge.Collection(_, items):
            for item in items:
                yield from references(item, flattened=flattened)
        case edge.Constant():
            pass


def refuse_unmappable(task_name: str, key: str, given: edge.Argument) -> None:
    """A constant that is no list was meant to be given whole."""
    if isinstance(given, edge.Flattened | edge.Reference):
        return
    kind: type[Any] = given.kind if isinstance(given, edge.Collection) else type(given.value)
    if issubclass(kind, dict | set | frozenset | str | bytes) or not hasattr(kind, "__iter__"):
        raise errors.GraphError(
            f"{task_name}.map: '{key}' is a {kind.__name__}, which is not mapped over; "
            f"write `{key}=unmapped(...)` to give it whole to every child, or make it a list."
        )
