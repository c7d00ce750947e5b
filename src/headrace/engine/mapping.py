"""Mapped nodes: how many children there are, which of them may start, and what they have come to together."""

from collections.abc import Iterator

from headrace.core import states
from headrace.engine import inputs, outcome
from headrace.engine.plan import Walk

T = states.StateType


def expand(walk: Walk, walks: dict[str, Walk]) -> str:
    """Makes the children, as many as the shortest of what is mapped over has items; answers a warning, if there is one.

    Raises errors.TaskFailed where something cannot be mapped over.
    """
    walk.sources = inputs.sources(walk, walks)
    walk.common = {
        name: inputs.resolve(argument, walks)
        for name, argument in walk.node.arguments.items()
        if name not in walk.node.mapped
    }
    inputs.check_target(walk)
    lengths = {name: inputs.length(source) for name, source in walk.sources}
    lengths |= {
        each.walk.slug: len(each.walk.state)
        for each in walk.upstreams
        if each.pairwise and not each.data and each.walk.expanded
    }
    count = min(lengths.values())
    walk.state.children = [outcome.TaskState() for _ in range(count)]
    walk.left = count
    if max(lengths.values()) == count:
        return ""
    sizes = ", ".join(f"{name} has {size}" for name, size in lengths.items())
    return f"it is mapped over inputs of different lengths ({sizes}) and runs {count} times"


def children_to_start(walk: Walk) -> Iterator[int]:
    """The children that wait for nothing. Those of the others that wait for several are counted."""
    count = len(walk.state)
    pairs = [each.walk.state.children for each in walk.upstreams if each.pairwise and each.walk.expanded]
    if not pairs:
        return iter(range(count))
    waiting = [
        sum(not children[index].state.is_finished for children in pairs if children) for index in range(count)
    ]
    if len(pairs) > 1:
        walk.child_waiting = waiting
    return iter([index for index, number in enumerate(waiting) if not number])


def count(walk: Walk, state: states.State) -> None:
    """Adds a child's final state to what the children have come to."""
    walk.left -= 1
    walk.skipped += state.is_skipped
    walk.failed += state.is_failure
    walk.cancelled += state.type is T.CANCELLED


def followers_of_child(walk: Walk, index: int) -> Iterator[Walk]:
    """The nodes whose child of this index may start now, the last one made first."""
    for follower in reversed(walk.followers):
        after = follower.walk
        if not (follower.pairwise and after.expanded and index < len(after.state)):
            continue
        if after.child_waiting is not None:
            after.child_waiting[index] -= 1
            if after.child_waiting[index]:
                continue
        yield after


def together(walk: Walk) -> tuple[states.StateType, str, str]:
    """The parent's state when all its children have finished: type, name, message."""
    number = len(walk.state)
    if walk.failed:
        return T.FAILED, "Failed", f"{walk.failed} of {number} mapped runs failed"
    if walk.cancelled:
        return T.CANCELLED, "Cancelled", f"{walk.cancelled} of {number} mapped runs were cancelled"
    if number and walk.skipped == number:
        return T.SUCCESS, "Skipped", f"all {number} mapped runs were skipped"
    return T.SUCCESS, "Success", f"{number} mapped runs"
