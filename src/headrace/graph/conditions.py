"""Branches: `with case(value, expected)`, `switch`, `ifelse`, and `merge`, which joins them again.

A branch's tasks hang on a comparison node; where it says False they are skipped, and what hangs on them too, up to a merge.
"""

import contextlib
import enum
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

from headrace import errors
from headrace.graph import building, edge, future, graph, operators, task, triggers


def _equals(value: Any, expected: Any) -> bool:
    return bool(value == expected)


def _first(branches: list[Any]) -> Any:
    return next((value for value in branches if value is not None), None)


COMPARE: task.Task[[Any, Any], bool] = task.Task(_equals, kind="case", name="case")
MERGE: task.Task[[list[Any]], Any] = task.Task(
    _first, kind="merge", name="merge", trigger=triggers.not_all_skipped, skip_on_upstream_skip=False
)


@contextlib.contextmanager
def case(value: Any, expected: Any) -> Generator[None]:
    """The tasks called inside run only if `value` equals `expected` in the run; otherwise they are skipped."""
    owner = _owner("case")
    compare = owner.add(COMPARE, (value, expected))

    def added(node: graph.Node) -> None:
        if not any(
            each.case for each in node.upstream
        ):  # a case inside has it already, and hangs on this one itself
            owner.set_case(compare, node.slug)

    with owner.block(added):
        yield


def merge(*branches: Any) -> Any:
    """The value of the branch that ran: the first that is not None. Skipped only if all of them were."""
    return _owner("merge").add(MERGE, (list(branches),))


def switch(value: Any, cases: Mapping[Any, Any]) -> Any:
    """Runs the branch whose key equals `value`; answers its value (a merge).

    A branch is a function without arguments, called now to make its tasks, or the future value of one task to run or skip.
    """
    owner = _owner("switch")
    if not cases:
        raise errors.GraphError(
            "switch: there are no cases; give a dict of value → function that makes the branch's tasks."
        )
    return merge(*[_branch(owner, value, expected, branch) for expected, branch in cases.items()])


def ifelse(condition: Any, then: Any, otherwise: Any = None) -> Any:
    """Runs `then` if the condition is true in the run, else `otherwise` (None: nothing); answers the branch's value.

    Branches are as in `switch`.
    """
    truth = _owner("ifelse").add(operators.TRUTH, (condition,))
    return switch(
        truth,
        {expected: branch for expected, branch in ((True, then), (False, otherwise)) if branch is not None},
    )


def branch(compare: graph.Node) -> str:
    """The value a branch waits for, where it is a word of the schematic: other values are part of the code and stay there."""
    match compare.arguments.get("expected"):
        case edge.Constant(enum.Enum() as value):
            return value.name
        case edge.Constant(bool() | int() | float() | None as value):
            return str(value)
        case _:
            return "a value"


def _branch(owner: graph.Graph, value: Any, expected: Any, branch: Any) -> Any:
    if isinstance(branch, future.Future):
        owner.set_case(owner.add(COMPARE, (value, expected)), branch)
        return branch
    if not callable(branch):
        raise errors.GraphError(
            f"switch: the branch for {expected!r} is {branch!r}; give a function that makes its tasks, or a task's future value."
        )
    with case(value, expected):
        return cast("Callable[[], Any]", branch)()


def _owner(what: str) -> graph.Graph:
    """The graph being built."""
    owner = building.current()
    if not isinstance(owner, graph.Graph):
        raise errors.GraphError(f"`{what}` belongs into a flow's body; outside one use plain Python.")
    return owner
