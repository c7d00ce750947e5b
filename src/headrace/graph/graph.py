"""The graph: nodes by slug, edges, parameters, reference tasks; found cyclic or ambiguous it says where."""

import dataclasses
from typing import TYPE_CHECKING, Any

from headrace.graph import edge

if TYPE_CHECKING:
    from headrace.graph import task


@dataclasses.dataclass(slots=True)
class Node:
    """A task in a graph. `arguments` by parameter name of the task's function; `mapped` names those that are mapped over.

    `upstream` holds every edge into the node: the arguments' and those that only order.
    """

    slug: str
    task: "task.Task[..., Any]"
    kind: str = "task"
    arguments: dict[str, edge.Argument] = dataclasses.field(default_factory=dict[str, edge.Argument])
    mapped: frozenset[str] = frozenset()
    upstream: list[edge.Edge] = dataclasses.field(default_factory=list[edge.Edge])
    downstream: list[edge.Edge] = dataclasses.field(default_factory=list[edge.Edge])

    @property
    def is_mapped(self) -> bool:
        return bool(self.mapped)
