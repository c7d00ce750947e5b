"""A task's option `dask`: what Dask is told of where and when the task is to run."""

from collections.abc import Callable, Mapping
from typing import Any, cast


def checked(option: str, value: Any) -> Mapping[str, Any] | None:
    """What Dask calls annotations, in order. Raises TypeError and ValueError with the option named."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"{option} is {value!r}; give a dict such as {{'resources': {{'GPU': 1}}}}.")
    given = cast("Mapping[str, Any]", value)
    for name in sorted(given):
        if name not in _CHECKS:
            raise ValueError(f"{option} has no '{name}'; there is {', '.join(_CHECKS)}.")
        is_right, words = _CHECKS[name]
        if not is_right(given[name]):
            raise ValueError(f"{option}: {name} is {given[name]!r}; give {words}.")
    return {name: given[name] for name in sorted(given)} or None


def _is_amounts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _is_number(amount) and amount > 0
        for name, amount in cast("Mapping[Any, Any]", value).items()
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, list | tuple) and all(
        isinstance(name, str) and name for name in cast("list[Any]", value)
    )


def _is_yes_or_no(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "resources": (_is_amounts, "amounts by name, such as {'GPU': 1}"),
    "priority": (_is_number, "a number; higher ones run first"),
    "workers": (_is_names, "the name or address of a worker, or a list of them"),
    "allow_other_workers": (_is_yes_or_no, "True or False"),
    "retries": (_is_count, "a whole number from 0"),
}
