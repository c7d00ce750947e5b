"""From arguments to values: what a task is called with once its upstreams have finished, and what it is mapped over."""

import string
from collections.abc import Mapping, Sequence, Set
from typing import Any, cast

from headrace import errors, executors
from headrace.engine import outcome, remotes
from headrace.engine.plan import Walk
from headrace.graph import edge


def value(state: outcome.TaskState) -> Any:
    """What a downstream task gets: None of a skipped task, the exception of a failed one."""
    if state.children is None:
        return state.value
    return None if state.state.is_skipped and state.children else [child.value for child in state.children]


def resolve(argument: edge.Argument, walks: Mapping[str, Walk]) -> Any:
    """The argument's value. Raises errors.TaskFailed where an item is asked of something that has none."""
    match argument:
        case edge.Constant(constant):
            return constant
        case edge.Reference(slug, index):
            whole = value(walks[slug].state)
            return whole if index is None or whole is None else _item(executors.here(whole), slug, index)
        case edge.Collection(kind, items):
            parts = [resolve(item, walks) for item in items]
            return dict(zip(parts[::2], parts[1::2], strict=True)) if kind is dict else kind(parts)
        case edge.Flattened(inner):
            nested = executors.here(resolve(inner, walks))
            if isinstance(nested, list):
                nested = remotes.all_here(cast("list[Any]", nested))
            return flatten(nested)


def of_task(walk: Walk, walks: Mapping[str, Walk]) -> dict[str, Any]:
    """The inputs of a task that is not mapped. What is compared for a branch is compared here, and must be here."""
    given = {name: resolve(argument, walks) for name, argument in walk.node.arguments.items()}
    if walk.node.kind == "case":
        given = {name: executors.here(each) for name, each in given.items()}
    return given


def whole(argument: edge.Argument, walks: Mapping[str, Walk]) -> Any:
    """The argument's value, all of it here. Raises errors.ResultError where a part of it cannot be had."""
    match argument:
        case edge.Collection(kind, items):
            parts = [whole(item, walks) for item in items]
            return dict(zip(parts[::2], parts[1::2], strict=True)) if kind is dict else kind(parts)
        case edge.Reference(slug, None) if walks[slug].expanded:
            found = resolve(argument, walks)
            return found if found is None else remotes.all_here(found)
        case _:
            return executors.here(resolve(argument, walks))


def flatten(nested: Any) -> Any:
    """One level of nesting less; what is not nested stays as it is."""
    if not _is_list(nested):
        return nested
    flat: list[Any] = []
    for item in nested:
        if _is_list(item):
            flat.extend(item)
        else:
            flat.append(item)
    return flat


def sources(walk: Walk, walks: Mapping[str, Walk]) -> list[tuple[str, "Walk | Sequence[Any]"]]:
    """What each mapped argument is taken from: a mapped upstream's children, or a list.

    Raises errors.TaskFailed with a sentence where something cannot be mapped over.
    """
    found: list[tuple[str, Walk | Sequence[Any]]] = []
    for name in walk.node.arguments:
        if name not in walk.node.mapped:
            continue
        argument = walk.node.arguments[name]
        if isinstance(argument, edge.Reference) and argument.index is None:
            upstream = walks[argument.slug]
            if upstream.expanded:
                found.append((name, upstream))
                continue
        found.append((name, _items(name, resolve(argument, walks))))
    return found


def check_target(walk: Walk) -> None:
    """A mapped task whose target is one place for all children would read its neighbour's value. Raises errors.TaskFailed."""
    target = walk.options.target
    if not isinstance(target, str):
        return
    fields = {(name or "").split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(target)}
    if not fields & {"map_index", *walk.node.mapped}:
        raise errors.TaskFailed(
            f"task '{walk.slug}' is mapped, and its target '{target}' is the same place for all of its runs; "
            "put {map_index} into it"
        )


def length(source: "Walk | Sequence[Any]") -> int:
    return len(source.state.children or ()) if isinstance(source, Walk) else len(source)


def of_child(walk: Walk, index: int) -> dict[str, Any]:
    """The inputs of a mapped child."""
    given = dict(walk.common)
    for name, source in walk.sources:
        given[name] = (
            (source.state.children or ())[index].value if isinstance(source, Walk) else source[index]
        )
    return given


def _item(whole: Any, slug: str, index: int) -> Any:
    if isinstance(whole, BaseException):
        return whole
    try:
        return whole[index]
    except (TypeError, IndexError, KeyError):
        size = f" of {len(whole)}" if hasattr(whole, "__len__") else ""
        raise errors.TaskFailed(
            f"item {index} of '{slug}' is needed, but its value is a {type(whole).__name__}{size}; "
            "return as many values as `nout` says"
        ) from None


def _is_list(given: Any) -> bool:
    return (
        hasattr(given, "__len__")
        and hasattr(given, "__iter__")
        and not isinstance(given, str | bytes | Mapping)
    )


def _items(name: str, given: Any) -> Sequence[Any]:
    if isinstance(given, executors.Remote):
        items = given.items()
        if items is not None:
            return items
        given = given.fetch()
    if isinstance(given, list | tuple | range):
        return cast("Sequence[Any]", given)
    is_set = issubclass(type(given), Set)
    if is_set or not _is_list(given):
        fix = "sort it into a list" if is_set else "return a list, or use `unmapped(…)`"
        raise errors.TaskFailed(f"'{name}' cannot be mapped over: it is a {type(given).__name__}; {fix}")
    return list(given)
