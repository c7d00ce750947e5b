"""What a re-run runs and what it takes over, decided from the graph and from what is known of the earlier run.

Pure. A result is taken over where nothing above it runs anew. A task whose value was not kept runs again where a task
that runs needs the value, and else it is passed over.
"""

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from headrace import errors
from headrace.core.states import StateType
from headrace.server import kept_results
from headrace.wire import flows, restarts

#: Nodes that are worked out whenever the graph is walked, and cost nothing.
INLINE = frozenset({"parameter", "case", "merge"})
#: A task with all its children; and the children that nobody knows of, for their parent did not come to its end.
WHOLE, UNKNOWN = -1, -2


@dataclasses.dataclass(frozen=True)
class Wish:
    """What was asked for. `parameters`: the names of those that have changed."""

    tasks: Collection[restarts.TaskPlace] = ()
    from_start: bool = False
    parameters: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Plan:
    """`anew`: the earlier results that are not taken over; `tasks`: what happens with each task that counts."""

    anew: kept_results.Anew
    tasks: list[restarts.RerunTask]

    @property
    def runs(self) -> int:
        return sum(task.runs for task in self.tasks)

    @property
    def reused(self) -> int:
        return sum(task.reused for task in self.tasks)

    @property
    def is_idle(self) -> bool:
        """Nothing would run."""
        return not any(task.why for task in self.tasks)


def plan(before: flows.Structure, after: flows.Structure, record: kept_results.Record, wish: Wish) -> Plan:
    """The plan of a re-run of the graph `after`, where `before` was the earlier run's. Raises for tasks that there are not."""
    planner = _Planner(after, record)
    for place in wish.tasks:
        planner.choose(place)
    planner.find_seeds(before, wish)
    planner.settle()
    return planner.plan(from_start=wish.from_start)


class _Planner:
    def __init__(self, graph: flows.Structure, record: kept_results.Record) -> None:
        self._tasks = {task.slug: task for task in graph.tasks}
        self._upstreams = _upstreams(graph)
        self._kept: dict[str, dict[int, bool]] = {}
        for (slug, index), each in record.kept.items():
            self._kept.setdefault(slug, {})[index] = each.has_value
        #: Children of the earlier run that did not succeed.
        self._failed: dict[str, set[int]] = {}
        for (slug, index), kind in record.states.items():
            if index >= 0 and kind is not StateType.SUCCESS:
                self._failed.setdefault(slug, set()).add(index)
        self._parents = {slug: kind for (slug, index), kind in record.states.items() if index == WHOLE}
        #: What runs, and the first reason for it.
        self._runs: dict[str, set[int]] = {}
        self._why: dict[str, str] = {}
        #: Resources that are set up again because something in their block runs; that makes nothing in there new.
        self._set_up: set[str] = set()

    def choose(self, place: restarts.TaskPlace) -> None:
        task = self._tasks.get(place.slug)
        if task is None:
            raise errors.NotFound(f"the flow has no task {place.slug!r}{_near(place.slug, self._tasks)}")
        if place.map_index is None:
            self._add(place.slug, {WHOLE}, "chosen")
            return
        if not task.mapped:
            raise errors.Invalid(f"the task {place.slug!r} is not mapped: it has no index {place.map_index}")
        known = self._children(place.slug)
        if place.map_index not in known:
            raise errors.Invalid(
                f"{place.slug}[{place.map_index}] is not in the earlier run, which has {len(known)} of {place.slug!r}"
            )
        self._add(place.slug, {place.map_index}, "chosen")

    def find_seeds(self, before: flows.Structure, wish: Wish) -> None:
        """What runs because of itself."""
        earlier = {task.slug: task for task in before.tasks}
        inputs = _upstreams(before)
        for slug, task in self._tasks.items():
            if wish.from_start:
                self._add(slug, {WHOLE}, "start")
            elif task.kind == "parameter":
                if slug in wish.parameters:
                    self._add(slug, {WHOLE}, "parameter")
            elif slug in earlier and _form(earlier[slug], inputs) != _form(task, self._upstreams):
                self._add(slug, {WHOLE}, "changed")
            elif WHOLE not in self._kept.get(slug, ()):
                self._add(slug, self._unfinished(task), "unfinished")
            elif task.mapped:
                self._add(slug, self._failed.get(slug, set()), "unfinished")

    def _unfinished(self, task: flows.TaskSpec) -> set[int]:
        if not task.mapped or not self._children(task.slug):
            return {WHOLE}
        whole = self._parents.get(task.slug) is StateType.FAILED
        return self._failed.get(task.slug, set()) | (set() if whole else {UNKNOWN})

    def settle(self) -> None:
        """Until nothing changes: all below what runs, and what that needs and was not kept."""
        while True:
            self._spread()
            if not self._fetch():
                return

    def _spread(self) -> None:
        for slug, task in self._tasks.items():
            for upstream, edges in self._upstreams[slug].items():
                above = self._runs.get(upstream)
                if not above:
                    continue
                by_child = _is_pairwise(task, self._tasks[upstream], edges) and WHOLE not in above
                self._add(slug, above if by_child else {WHOLE}, "below")

    def _fetch(self) -> bool:
        found = False
        for slug, task in reversed(self._tasks.items()):
            needs = slug in self._runs or slug in self._set_up or task.kind in INLINE or task.mapped
            for upstream, edges in self._upstreams[slug].items() if needs else ():
                if any(edge.key is not None for edge in edges):
                    found |= self._need(self._tasks[upstream])
            if task.mapped:
                lost = {
                    index
                    for index, has_value in self._kept.get(slug, {}).items()
                    if index >= 0 and not has_value
                }
                found |= self._add(slug, lost, "not_kept")
        return found

    def _need(self, task: flows.TaskSpec) -> bool:
        """A value is needed. Whether something runs because of that which did not before."""
        if task.mapped or task.kind in INLINE or task.slug in self._runs:
            return False
        if task.kind == "resource":
            fresh = task.slug not in self._set_up
            self._set_up.add(task.slug)
            return fresh
        return not self._kept[task.slug][WHOLE] and self._add(task.slug, {WHOLE}, "not_kept")

    def _add(self, slug: str, indices: set[int], why: str) -> bool:
        known = self._runs.get(slug, set())
        if WHOLE in known or indices <= known:
            return False
        self._runs[slug] = {WHOLE} if WHOLE in indices else known | indices
        self._why.setdefault(slug, why)
        return True

    def _children(self, slug: str) -> set[int]:
        """The map indices that the earlier run knows of."""
        return {index for index in self._kept.get(slug, ()) if index >= 0} | self._failed.get(slug, set())

    # the answer

    def plan(self, *, from_start: bool) -> Plan:
        tasks = [self._task(task) for task in self._tasks.values() if task.kind not in INLINE]
        return Plan({kept_results.EVERY: None} if from_start else dict(self._anew()), tasks)

    def _anew(self) -> Iterator[tuple[str, list[int] | None]]:
        for slug in self._tasks:
            kept, runs = self._kept.get(slug, {}), self._runs.get(slug, set())
            if slug in self._set_up or (WHOLE in runs and kept):
                yield slug, None
            elif some := sorted(runs & kept.keys()):
                yield slug, some

    def _task(self, task: flows.TaskSpec) -> restarts.RerunTask:
        slug = task.slug
        runs = self._runs.get(slug, {WHOLE} if slug in self._set_up else set[int]())
        why = self._why.get(slug, "resource" if slug in self._set_up else "")
        if not task.mapped:
            return restarts.RerunTask(slug=slug, runs=len(runs), reused=1 - len(runs), why=why, open=False)
        known = self._children(slug)
        anew = known if WHOLE in runs else known & runs
        is_open = bool(runs & {WHOLE, UNKNOWN})
        return restarts.RerunTask(
            slug=slug, runs=len(anew), reused=len(known) - len(anew), why=why, open=is_open
        )


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The parameters that have another value, or that one of the two runs does not have."""
    names = before.keys() | after.keys()
    return frozenset(
        name for name in names if name not in before or name not in after or before[name] != after[name]
    )


def _near(slug: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(slug, known, 1)
    return f", did you mean {near[0]!r}?" if near else ""


Inputs = dict[str, dict[str, list[flows.EdgeSpec]]]


def _upstreams(graph: flows.Structure) -> Inputs:
    """Each task's upstreams, with the edges from them."""
    found: Inputs = {task.slug: {} for task in graph.tasks}
    for edge in graph.edges:
        found[edge.downstream].setdefault(edge.upstream, []).append(edge)
    return found


def _form(task: flows.TaskSpec, inputs: Inputs) -> Any:
    """What of a task's place in the graph decides about its result. Its code is not known here."""
    edges = [
        (each.upstream, each.key or "", each.mapped, each.flattened, each.case or "")
        for edges in inputs[task.slug].values()
        for each in edges
    ]
    return task.kind, task.mapped, sorted(edges)


def _is_pairwise(task: flows.TaskSpec, upstream: flows.TaskSpec, edges: list[flows.EdgeSpec]) -> bool:
    """Child i of one is made of child i of the other, and of no other."""
    return task.mapped and upstream.mapped and all(edge.mapped and not edge.flattened for edge in edges)
