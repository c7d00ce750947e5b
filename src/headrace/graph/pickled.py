"""How the parts of a graph are pickled: by the names of their fields, so that content outlives a release that adds one."""

import dataclasses
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def by_name(kind: type[Kind]) -> type[Kind]:
    """For a frozen dataclass with slots, whose own way is a list of values in the order of its fields."""
    kind.__getstate__ = _state  # type: ignore[assignment]
    kind.__setstate__ = _restore  # type: ignore[attr-defined]
    return kind


def _state(self: Any) -> dict[str, Any]:
    return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _restore(self: Any, state: dict[str, Any]) -> None:
    """What the content does not know gets its default; what only the content knows is left out."""
    for field in dataclasses.fields(self):
        if field.name in state:
            value = state[field.name]
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            value = field.default
        if value is not dataclasses.MISSING:
            object.__setattr__(self, field.name, value)
