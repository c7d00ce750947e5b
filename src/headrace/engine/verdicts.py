"""Whether a task may start, now that its upstreams have finished: branches, skipped upstreams, the trigger, in this order."""

from collections.abc import Iterator

from headrace.core import states
from headrace.engine import outcome
from headrace.engine.plan import Upstream, Walk
from headrace.executors import tracebacks
from headrace.graph import triggers

Verdict = tuple[triggers.Decision, str]
_RUN: Verdict = (triggers.Decision.RUN, "")
_SUCCESS = states.StateType.SUCCESS


def verdict(walk: Walk, index: int = -1) -> Verdict:
    """The decision and why. For a mapped node (index −1) it is about making children at all.

    Where a mapped node has pairwise upstreams its children ask their triggers one by one; otherwise it asks once for all.
    """
    if walk.options.trigger is triggers.all_successful:
        for upstream in walk.upstreams:
            state = _one(upstream, index).state
            if (
                state.type is not _SUCCESS
                or state.name == "Skipped"
                or upstream.case
                or upstream.walk.skipped
            ):
                break
        else:
            return _RUN
    return _weigh(walk, index)


def _one(upstream: Upstream, index: int) -> outcome.TaskState:
    state = upstream.walk.state
    if upstream.pairwise and index >= 0 and state.children is not None:
        return state.children[index]
    return state


def _all(upstream: Upstream, index: int) -> list[outcome.TaskState]:
    """The states that count: a mapped upstream counts as its children, unless it is the one child that matters."""
    one = _one(upstream, index)
    return one.children or [one]


def _weigh(walk: Walk, index: int) -> Verdict:
    expanding = index < 0 and walk.node.is_mapped
    deferred = expanding and any(each.pairwise and each.walk.expanded for each in walk.upstreams)
    weighed = [each for each in walk.upstreams if not (expanding and each.pairwise and each.walk.expanded)]
    for upstream in weighed:
        state = _one(upstream, index)
        if upstream.case and (state.state.is_skipped or (state.state.is_success and state.value is not True)):
            return triggers.Decision.SKIP, f"the branch of '{upstream.walk.slug}' was not taken"
    if walk.options.skip_on_upstream_skip:
        for upstream in weighed:
            if any(state.state.is_skipped for state in _all(upstream, index)):
                return triggers.Decision.SKIP, f"'{upstream.walk.slug}' was skipped"
    if deferred and not any(each.pairwise for each in weighed):
        return _RUN
    return _ask(walk, list(_counted(walk, weighed, index)))


def _counted(walk: Walk, weighed: list[Upstream], index: int) -> Iterator[states.State]:
    for upstream in weighed:
        if upstream.data or not walk.options.trigger.data_only:
            for state in _all(upstream, index):
                yield state.state


def _ask(walk: Walk, counted: list[states.State]) -> Verdict:
    skipped = sum(state.is_skipped for state in counted)
    counts = triggers.Counts(
        successful=sum(state.is_success for state in counted) - skipped,
        skipped=skipped,
        failed=sum(state.is_failure for state in counted),
        cancelled=sum(state.type is states.StateType.CANCELLED for state in counted),
        unfinished=sum(not state.is_finished for state in counted),
    )
    trigger = walk.options.trigger
    try:
        decision = trigger(counts)
    except Exception as error:  # noqa: BLE001 - a trigger may be a user's function; what it raises fails its task
        return triggers.Decision.FAIL, f"trigger {trigger.name} raised {tracebacks.sentence(error)}"
    if not isinstance(decision, triggers.Decision):  # pyright: ignore[reportUnnecessaryIsInstance] - a user's function
        return triggers.Decision.FAIL, f"trigger {trigger.name} answered {decision!r} and not a Decision"
    return decision, _why(trigger.name, counts)


def _why(name: str, counts: triggers.Counts) -> str:
    parts = [
        f"{number} {word}"
        for number, word in (
            (counts.successful, "succeeded"),
            (counts.skipped, "skipped"),
            (counts.failed, "failed"),
            (counts.cancelled, "cancelled"),
        )
        if number
    ]
    return f"trigger {name}: of its upstreams {', '.join(parts) or 'there is none'}"
