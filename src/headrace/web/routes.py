"""Which operation a method and a path name: exact matches of whole segments, and nothing else."""

import dataclasses
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from headrace import errors
from headrace.web import decoding
from headrace.wire import operations


class WrongMethod(errors.HeadraceError):
    """This path has other methods."""

    code, status = "wrong_method", 405


@dataclasses.dataclass(frozen=True)
class Route:
    """An operation with what reads its requests."""

    operation: operations.Operation[Any, Any]
    decoder: decoding.Decoder
    #: The names of the path's fields, in their order.
    names: tuple[str, ...]


@dataclasses.dataclass
class _Node:
    literal: dict[str, "_Node"] = dataclasses.field(default_factory=dict[str, "_Node"])
    field: "_Node | None" = None
    methods: dict[str, Route] = dataclasses.field(default_factory=dict[str, Route])


class Routes:
    """The table of all routes. A literal segment wins over a field."""

    def __init__(self, table: Iterable[operations.Operation[Any, Any]]) -> None:
        self._root = _Node()
        for operation in table:
            self._add(operation)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route, and the values of its path's fields. `path` is as it was sent, percent signs and all.

        Raises errors.NotFound or WrongMethod.
        """
        values: list[str] = []
        node = _descend(self._root, path.split("/")[1:], values)
        if node is None or not node.methods:
            raise errors.NotFound("there is nothing at this address")
        route = node.methods.get(method)
        if route is None:
            raise WrongMethod(
                f"this address answers {', '.join(sorted(node.methods))}", allow=sorted(node.methods)
            )
        return route, dict(zip(route.names, values, strict=True))

    def _add(self, operation: operations.Operation[Any, Any]) -> None:
        node = self._root
        names: list[str] = []
        for segment in operation.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.field = node = node.field or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        node.methods[operation.method] = Route(operation, decoding.Decoder(operation), tuple(names))


def _descend(node: _Node, segments: list[str], values: list[str]) -> _Node | None:
    for segment in segments:
        following = node.literal.get(segment)
        if following is None and node.field is not None and segment:
            following = node.field
            values.append(unquote(segment, errors="strict") if "%" in segment else segment)
        if following is None:
            return None
        node = following
    return node
