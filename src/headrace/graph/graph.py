"""The graph: nodes by slug, edges, parameters, reference tasks; found cyclic or ambiguous it says where."""

import contextlib
import dataclasses
import inspect
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, cast

from headrace import errors
from headrace.graph import arguments, building, edge, future, parameters, task
from headrace.graph import options as task_options


@dataclasses.dataclass(slots=True)
class Node:
    """A task in a graph. `arguments` by parameter name of the task's function; `mapped` names those that are mapped over.

    `upstream` holds every edge into the node: the arguments' and those that only order. `tags` are the task's and
    those of the `tags(...)` blocks around the call.
    """

    slug: str
    task: "task.Task[..., Any]"
    kind: str = "task"
    arguments: dict[str, edge.Argument] = dataclasses.field(default_factory=dict[str, edge.Argument])
    mapped: frozenset[str] = frozenset()
    upstream: list[edge.Edge] = dataclasses.field(default_factory=list[edge.Edge])
    downstream: list[edge.Edge] = dataclasses.field(default_factory=list[edge.Edge])
    tags: frozenset[str] = frozenset()

    @property
    def is_mapped(self) -> bool:
        return bool(self.mapped)


class Graph:
    """The tasks of a flow and how they hang together. `result` is the argument that gives the flow's value."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.parameters: dict[str, parameters.Definition] = {}
        self.result: edge.Argument = edge.Constant(None)
        self._references: tuple[str, ...] | None = None
        self._order: list[Node] | None = None
        self._numbers: dict[str, int] = {}
        self._blocks: list[Callable[[Node], None]] = []

    # building

    @contextlib.contextmanager
    def building(self) -> Generator["Graph"]:
        """Task calls inside make nodes here; at the end the graph is checked."""
        with building.building(self):
            yield self
        self.order()

    @contextlib.contextmanager
    def block(self, added: Callable[[Node], None]) -> Generator[None]:
        """`added` hears of every node made inside, before it is complete with edges that only order."""
        self._blocks.append(added)
        try:
            yield
        finally:
            self._blocks.pop()

    def add(
        self,
        called: "task.Task[..., Any]",
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        mapped: bool = False,
        upstream: Iterable[Any] = (),
    ) -> Any:
        """Makes a node of a task's call; answers its future value. Raises errors.GraphError with the task and the fix."""
        given = _bind(called, args, kwargs or {})
        node = Node(
            self._slug(called.name), called, called.kind, tags=called.options.tags | building.current_tags()
        )
        for key, value in given.items():
            node.arguments[key] = arguments.argument(value, self)
        if mapped:
            node.mapped = frozenset(
                key for key, value in given.items() if not isinstance(value, task.Unmapped)
            )
            _check_mapped(node)
        self._insert(node)
        for other in (upstream,) if isinstance(upstream, future.Future) else upstream:
            self._connect(edge.Edge(self._slug_of(other), node.slug))
        for added in reversed(self._blocks):
            added(node)
        return future.Future(self, node.slug, nout=None if mapped else called.nout)

    def add_parameter(self, definition: parameters.Definition) -> Any:
        """Declares a parameter and makes its node; answers its future value."""
        if definition.name in self.nodes:
            what = (
                "two parameters are" if definition.name in self.parameters else "a task and a parameter are"
            )
            raise errors.GraphError(
                f"flow '{self.name}': {what} called '{definition.name}'; rename one, or make parameters first."
            )
        if _slugged(definition.name) != definition.name:
            raise errors.GraphError(
                f"flow '{self.name}': '{definition.name}' is no name for a parameter; use letters, digits and _."
            )
        self.parameters[definition.name] = definition
        self._insert(Node(definition.name, parameters.node_task(definition), "parameter"))
        return future.Future(self, definition.name)

    def add_edge(
        self,
        upstream: Any,
        downstream: Any,
        key: str | None = None,
        *,
        mapped: bool = False,
        flattened: bool = False,
    ) -> None:
        """upstream → downstream (future values or slugs); with `key` the value becomes that input of the downstream task.

        A cycle made so is refused when the flow's block ends, with its path.
        """
        start, end = self._slug_of(upstream), self._slug_of(downstream)
        node = self.nodes[end]
        if key is None:
            self._connect(edge.Edge(start, end))
            return
        if key in node.arguments:
            raise errors.GraphError(
                f"flow '{self.name}': the input '{key}' of '{end}' is given twice; leave one of them out."
            )
        _check_input(node.task, key)
        reference: edge.Argument = edge.Reference(start)
        node.arguments[key] = edge.Flattened(reference) if flattened else reference
        if mapped:
            node.mapped |= {key}
        self._connect(edge.Edge(start, end, key, mapped=mapped, flattened=flattened))

    def set_order(self, upstream: Any, downstream: Any) -> None:
        """The downstream node (future value or slug) starts after the upstream one."""
        self._connect(edge.Edge(self._slug_of(upstream), self._slug_of(downstream)))

    def set_case(self, compare: Any, downstream: Any) -> None:
        """The downstream node runs only if the comparison node says True."""
        self._connect(edge.Edge(self._slug_of(compare), self._slug_of(downstream), case=True))

    def set_reference_tasks(self, futures: Iterable[Any]) -> None:
        """These decide the flow run's state, instead of the terminal tasks."""
        chosen = tuple(dict.fromkeys(self._slug_of(each) for each in futures))
        if not chosen:
            raise errors.GraphError(
                f"flow '{self.name}': reference tasks are an empty list, so nothing would decide the run's state."
            )
        self._references = chosen

    def set_result(self, value: Any) -> None:
        """What the flow returns: a future value, a collection of them, or a constant."""
        self.result = arguments.argument(value, self)

    # reading

    @property
    def edges(self) -> Iterator[edge.Edge]:
        """Every edge, by downstream node."""
        return (each for node in self.nodes.values() for each in node.upstream)

    @property
    def reference_tasks(self) -> tuple[str, ...]:
        """Slugs of the tasks that decide the run's state: the chosen ones, or those that no other task waits for.

        Set-up and clean-up of resources are passed over, and parameters unless there is nothing else.
        """
        if self._references is not None:
            return self._references
        waited_for: set[str] = set()
        for node in reversed(self.order()):
            if node.kind != "resource" or node.slug in waited_for:
                waited_for.update(each.upstream for each in node.upstream)
        ends = [
            node for node in self.nodes.values() if node.slug not in waited_for and node.kind != "resource"
        ]
        tasks = [node.slug for node in ends if node.kind != "parameter"]
        return tuple(tasks or [node.slug for node in ends])

    def order(self) -> list[Node]:
        """The nodes, each after all its upstreams, otherwise as they were made. Raises errors.GraphError with a cycle's path."""
        if self._order is None:
            waiting = {slug: len(node.upstream) for slug, node in self.nodes.items()}
            ready = deque(slug for slug, count in waiting.items() if count == 0)
            order: list[Node] = []
            while ready:
                node = self.nodes[ready.popleft()]
                order.append(node)
                for each in node.downstream:
                    waiting[each.downstream] -= 1
                    if waiting[each.downstream] == 0:
                        ready.append(each.downstream)
            if len(order) < len(self.nodes):
                self._refuse_cycle({slug for slug, count in waiting.items() if count > 0})
            self._order = order
        return self._order

    def validate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters of a run in their types, defaults filled in. Raises errors.Invalid with each field that is wrong."""
        return parameters.validate(self.parameters, given, self.name)

    # inside

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_blocks": [], "_order": None}

    def _insert(self, node: Node) -> None:
        self.nodes[node.slug] = node
        self._order = None
        seen: set[tuple[str, str]] = set()
        for key, value in node.arguments.items():
            if type(value) is edge.Constant:
                continue
            for reference, flattened in arguments.references(value):
                if (reference.slug, key) not in seen:
                    seen.add((reference.slug, key))
                    self._connect(
                        edge.Edge(
                            reference.slug, node.slug, key, mapped=key in node.mapped, flattened=flattened
                        )
                    )

    def _connect(self, new: edge.Edge) -> None:
        if new.upstream == new.downstream:
            raise errors.GraphError(f"flow '{self.name}': a cycle: '{new.upstream}' would wait for itself.")
        node = self.nodes[new.downstream]
        if new not in node.upstream:
            node.upstream.append(new)
            self.nodes[new.upstream].downstream.append(new)
            self._order = None

    def _slug(self, name: str) -> str:
        stem = _slugged(name)
        number = self._numbers.get(stem, 0)
        while True:
            number += 1
            slug = stem if number == 1 else f"{stem}-{number}"
            if slug not in self.nodes:
                self._numbers[stem] = number
                return slug

    def _slug_of(self, value: Any) -> str:
        if isinstance(value, future.Future):
            reference = arguments.argument(value, self)
            return cast("edge.Reference", reference).slug
        if isinstance(value, str):
            if value not in self.nodes:
                raise errors.GraphError(
                    f"flow '{self.name}' has no task '{value}'{task_options.suggestion(value, self.nodes)}."
                )
            return value
        raise errors.GraphError(
            f"flow '{self.name}': {value!r} is no task of it; give the value that a task's call answers."
        )

    def _refuse_cycle(self, left: set[str]) -> None:
        """Walking upwards among what is left must come back: every one of them has an upstream there."""
        path = [min(left, key=list(self.nodes).index)]
        while path.count(path[-1]) < 2:
            path.append(
                next(each.upstream for each in self.nodes[path[-1]].upstream if each.upstream in left)
            )
        cycle = path[path.index(path[-1]) :][::-1]
        raise errors.GraphError(
            f"flow '{self.name}' has a cycle: {' → '.join(cycle)}; remove one of these edges."
        )


def reference_tasks(*futures: Any) -> None:
    """In a flow's body: these tasks decide the run's state, instead of those that no other task waits for."""
    owner = building.current()
    if not isinstance(owner, Graph):
        raise errors.GraphError("`reference_tasks` belongs into a flow's body.")
    owner.set_reference_tasks(futures)


def _slugged(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "task"


def _bind(called: "task.Task[..., Any]", args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, those of `**kwargs` beside the others; defaults are left to the function."""
    signature = called.signature
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        for key in kwargs:
            _check_input(called, key)
        raise errors.GraphError(f"task '{called.name}': {error}; it takes {_inputs(signature)}.") from None
    rest = next((each.name for each in signature.parameters.values() if each.kind is each.VAR_KEYWORD), None)
    further: dict[str, Any] = {} if rest is None else bound.pop(rest, {})
    return bound | further


def _inputs(signature: inspect.Signature) -> str:
    return ", ".join(f"'{name}'" for name in signature.parameters) or "no inputs"


def _check_input(called: "task.Task[..., Any]", key: str) -> None:
    known = called.signature.parameters
    if key not in known and not any(each.kind is each.VAR_KEYWORD for each in known.values()):
        near = task_options.suggestion(key, known) or f"; it takes {_inputs(called.signature)}"
        raise errors.GraphError(f"task '{called.name}' has no input '{key}'{near}.")


def _check_mapped(node: Node) -> None:
    for key in node.mapped:
        arguments.refuse_unmappable(node.task.name, key, node.arguments[key])
    if not node.mapped:
        raise errors.GraphError(
            f"{node.task.name}.map: there is nothing to map over; give it a list that is not `unmapped`, or call it without `.map`."
        )
