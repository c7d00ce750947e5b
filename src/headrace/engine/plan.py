"""A graph made ready for a walk: one object for each node, with what it waits for and who waits for it."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from headrace.engine import outcome, task_runner
from headrace.graph import edge, graph, options

#: Nodes whose work is smaller than the way to a worker: the coordinator does it.
INLINE = frozenset({"parameter", "case", "merge"})


class Upstream(NamedTuple):
    """One node that another waits for. `pairwise`: child i of one waits only for child i of the other."""

    walk: "Walk"
    pairwise: bool
    case: bool
    data: bool


class Follower(NamedTuple):
    """One node that waits for another."""

    walk: "Walk"
    pairwise: bool


@dataclasses.dataclass(slots=True, eq=False)
class Walk:
    """A node on its way through the run."""

    node: graph.Node
    state: outcome.TaskState
    upstreams: tuple[Upstream, ...] = ()
    followers: list[Follower] = dataclasses.field(default_factory=list[Follower])
    #: How many upstreams have not yet come as far as this node needs.
    waiting: int = 0
    pairwise: bool = False
    timeout: float | None = None
    work: task_runner.Work | None = None
    #: Of a mapped node, once its children are there: what each child takes from where, and what all take.
    sources: "list[tuple[str, Walk | Sequence[Any]]]" = dataclasses.field(default_factory=list[Any])
    common: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    #: How many children are unfinished, and what they have come to.
    left: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    #: For each child how many pairwise upstreams it waits for; None where that is none or one, which needs no count.
    child_waiting: list[int] | None = None

    @property
    def slug(self) -> str:
        return self.node.slug

    @property
    def options(self) -> options.Options:
        return self.node.task.options

    @property
    def expanded(self) -> bool:
        return self.state.children is not None


def plan(of: graph.Graph) -> dict[str, Walk]:
    """Every node by slug, each after its upstreams."""
    walks: dict[str, Walk] = {}
    for node in of.order():
        timeout = node.task.options.timeout
        walk = walks[node.slug] = Walk(
            node, outcome.TaskState(), timeout=None if timeout is None else timeout.total_seconds()
        )
        walk.upstreams = _upstreams(node, walks)
        walk.waiting = len(walk.upstreams)
        walk.pairwise = any(each.pairwise for each in walk.upstreams)
        for each in walk.upstreams:
            each.walk.followers.append(Follower(walk, each.pairwise))
    return walks


def _upstreams(node: graph.Node, walks: dict[str, Walk]) -> tuple[Upstream, ...]:
    if len(node.upstream) == 1:
        (single,) = node.upstream
        return (_upstream(node, walks[single.upstream], [single]),)
    by_slug: dict[str, list[edge.Edge]] = {}
    for each in node.upstream:
        by_slug.setdefault(each.upstream, []).append(each)
    return tuple([_upstream(node, walks[slug], edges) for slug, edges in by_slug.items()])


def _upstream(node: graph.Node, walk: Walk, edges: list[edge.Edge]) -> Upstream:
    pairwise = walk.node.is_mapped and all(_is_pairwise(node, each) for each in edges)
    return Upstream(
        walk, pairwise, any(each.case for each in edges), any(each.key is not None for each in edges)
    )


def _is_pairwise(node: graph.Node, given: edge.Edge) -> bool:
    """A mapped edge whose argument is the upstream's value itself, not a list made of it."""
    if not given.mapped or given.flattened:
        return False
    argument = None if given.key is None else node.arguments[given.key]
    return argument is None or (isinstance(argument, edge.Reference) and argument.index is None)
