"""How a task's inputs hang on other tasks: arguments, and the edges that follow from them."""

import dataclasses
from typing import Any

from headrace.graph import pickled


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """An argument known when the flow is built."""

    value: Any


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """The value of the node `slug`; `index` picks one item of it (`nout`)."""

    slug: str
    index: int | None = None


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """A list, tuple, set or dict with references somewhere inside. For dict `items` are alternating keys and values."""

    kind: type
    items: tuple["Argument", ...]


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Flattened:
    """One level of nesting removed from a list of lists, before it is mapped over or passed on."""

    inner: "Argument"


Argument = Constant | Reference | Collection | Flattened


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """upstream → downstream, by slug.

    With a `key` it carries the value for that argument; without one it only orders. `mapped`: the downstream task runs once
    for each item. `case`: the downstream task runs only if the upstream comparison node says True.
    """

    upstream: str
    downstream: str
    key: str | None = None
    mapped: bool = False
    flattened: bool = False
    case: bool = False
