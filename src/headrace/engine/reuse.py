"""What is taken over instead of being run: from earlier attempts of the run, and from the run that it is a re-run of.

A rescued or resumed run takes what its earlier attempts finished. A re-run is made of another run's results, and there
a result counts only where nothing above it runs anew: what is made of a new value is made anew.
"""

import dataclasses
from typing import Any

from headrace import errors, executors
from headrace.core import states
from headrace.engine import plan, results, terms
from headrace.wire import runs

T = states.StateType
Place = tuple[str, int]

#: Nodes that pass on what they are given: where they run, that alone makes nothing below them new.
_TRANSPARENT = plan.INLINE | {"resource"}


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """How a task run is recorded that was not run."""

    name: str
    message: str
    value: Any = None
    result: runs.ResultRef | None = None


class Reuse:
    """What is known from before of the task runs of one walk."""

    def __init__(self, walks: dict[str, plan.Walk], given: terms.Terms) -> None:
        self._walks = walks
        self._store = given.store
        self._known = dict(given.known)
        #: Task runs that run here although the run that this is a re-run of may have had them; and their tasks.
        self._anew: set[Place] = set()
        self._anew_tasks: set[str] = set()
        #: Tasks that were taken over without a value.
        self._gaps: set[str] = set()
        self._is_rerun = any(known.origin for known in self._known.values())
        if any(self._is_gap(walk) for walk in walks.values()):
            self._close_gaps()

    def paused(self) -> set[Place]:
        """The task runs that waited for an approval, and have it since the run goes on."""
        return {place for place, known in self._known.items() if known.state.type is T.PAUSED}

    def passed(self, slug: str, index: int) -> bool:
        """Whether it has been beyond its trigger before: nobody is asked a second time."""
        known = self._known.get((slug, index))
        return known is not None and known.state.is_success

    def take(self, walk: plan.Walk, index: int) -> Taken | None:
        """What is taken over of a task run that is about to start; None: it runs.

        Raises errors.ResultError where its value cannot be read.
        """
        known = self._known.get((walk.slug, index))
        if known is None or not known.state.is_success or walk.node.kind in plan.INLINE:
            return None
        if known.origin:
            if self._is_below_anew(walk, index):
                return None
        elif known.result is None and not known.state.is_skipped:
            return None
        value = None if known.result is None else self._store.read(known.result, walk.options.serializer)
        if self._is_gap(walk):
            self._gaps.add(walk.slug)
        if not known.origin:
            # made by an earlier attempt of this run: new to all that comes from the other run
            self.runs(walk, index)
        return _taken(known, value)

    def runs(self, walk: plan.Walk, index: int) -> str | None:
        """This task run is run and not taken over. The task above whose value it would need and which has none, if any."""
        if self._is_rerun and (walk.node.kind not in _TRANSPARENT or self._is_below_anew(walk, index)):
            self._anew.add((walk.slug, index))
            self._anew_tasks.add(walk.slug)
        return next(
            (each.walk.slug for each in walk.upstreams if each.data and each.walk.slug in self._gaps), None
        )

    def _is_below_anew(self, walk: plan.Walk, index: int) -> bool:
        if not self._anew:
            return False
        for each in walk.upstreams:
            if each.pairwise and index >= 0 and each.walk.expanded:
                if (each.walk.slug, index) in self._anew:
                    return True
            elif each.walk.slug in self._anew_tasks:
                return True
        return False

    def _close_gaps(self) -> None:
        """Tasks whose value nobody needs are run after all where somebody will: a result below cannot be read here."""
        missing = {
            slug
            for (slug, _), known in self._known.items()
            if known.origin and known.result is not None and not self._store.holds(known.result)
        }
        anew: set[str] = set()
        while missing - anew:
            anew |= missing
            for walk in self._walks.values():
                if any(each.walk.slug in anew for each in walk.upstreams):
                    anew.add(walk.slug)
            for walk in self._walks.values():
                if self._is_gap(walk) and any(each.walk.slug in anew for each in walk.followers):
                    del self._known[walk.slug, -1]
                    missing.add(walk.slug)

    def _is_gap(self, walk: plan.Walk) -> bool:
        """Taken over from the other run without a value: there was none kept, and nobody needs it."""
        known = self._known.get((walk.slug, -1))
        return (
            known is not None
            and bool(known.origin)
            and known.result is None
            and not known.state.is_skipped
            and not walk.node.is_mapped
            and walk.node.kind not in plan.INLINE
        )


def _taken(known: terms.Known, value: Any) -> Taken:
    state = known.state
    if not known.origin:
        return Taken(state.name, state.message or "from an earlier attempt", value, known.result)
    if state.is_skipped or state.name == "Cached":
        return Taken(state.name, state.message, value, known.result)
    return Taken("Cached", f"from run {known.origin}", value, known.result)


def keep(
    walks: dict[str, plan.Walk], of: terms.Terms
) -> list[tuple[plan.Walk, int, errors.ResultError | None]]:
    """Keeps each value that is not yet kept, for the run goes on in another process. Which were kept, and which cannot be."""
    found: list[tuple[plan.Walk, int, errors.ResultError | None]] = []
    folder = results.folder(of.run.run_id, of.run.fence)
    for walk in walks.values():
        records = [(-1, walk.state)] if walk.state.children is None else enumerate(walk.state.children)
        for index, record in records:
            if not record.is_success or record.is_skipped or record.stored is not None:
                continue
            if walk.work is None or walk.node.kind in plan.INLINE:
                continue
            try:
                record.stored = of.store.keep(
                    executors.here(record.value),
                    folder,
                    results.name(walk.slug, index),
                    walk.options.serializer,
                )
                found.append((walk, index, None))
            except errors.ResultError as error:
                found.append((walk, index, error))
    return found


def known(walks: dict[str, plan.Walk], of: terms.Terms) -> dict[Place, terms.Known]:
    """What a walk that broke off has left for the next: what was known before it, and every result that is or can be kept."""
    keep(walks, of)
    found = dict(of.known)
    for walk in walks.values():
        records = [(-1, walk.state)] if walk.state.children is None else enumerate(walk.state.children)
        for index, record in records:
            if record.is_success and (record.stored is not None or record.is_skipped):
                found[walk.slug, index] = terms.Known(record.state, record.stored)
    return found
