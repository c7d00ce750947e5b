"""When a task may start, decided by how many of its upstreams ended how.

The engine counts the states of a task's upstreams (a mapped upstream counts as its children), waits until none is
unfinished, and asks the trigger. Skipped counts as success; Cancelled counts as neither success nor failure.
Whether a skipped upstream skips a task at once is the task's `skip_on_upstream_skip`, which is asked before its trigger.
"""

import dataclasses
import enum
import functools
from collections.abc import Callable

from headrace import errors
from headrace.graph import pickled


class Decision(enum.Enum):
    """What becomes of a task whose upstreams have finished."""

    RUN = "run"
    FAIL = "fail"
    SKIP = "skip"
    PAUSE = "pause"


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """How many upstreams are in which state. `successful` holds Success and Cached, `failed` Failed and Crashed."""

    successful: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    unfinished: int = 0

    @property
    def total(self) -> int:
        return self.successful + self.skipped + self.failed + self.cancelled + self.unfinished

    @property
    def good(self) -> int:
        """Successful and skipped."""
        return self.successful + self.skipped


Rule = Callable[[Counts], Decision]


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """A named rule. With `data_only` the engine counts only upstreams that carry data, though it waits for all of them."""

    name: str
    rule: Rule
    data_only: bool = False

    def __call__(self, counts: Counts) -> Decision:
        return self.rule(counts)


def _run_if(holds: bool) -> Decision:
    return Decision.RUN if holds else Decision.FAIL


def _all_successful(counts: Counts) -> Decision:
    return _run_if(counts.good == counts.total)


def _all_failed(counts: Counts) -> Decision:
    return _run_if(counts.failed == counts.total)


def _any_successful(counts: Counts) -> Decision:
    return _run_if(counts.good > 0 or counts.total == 0)


def _any_failed(counts: Counts) -> Decision:
    return _run_if(counts.failed > 0 or counts.total == 0)


def _all_finished(counts: Counts) -> Decision:
    return _run_if(counts.unfinished == 0)


def _not_all_skipped(counts: Counts) -> Decision:
    if counts.skipped == counts.total:
        return Decision.SKIP
    return _run_if(counts.good == counts.total)


def _manual_only(counts: Counts) -> Decision:
    return Decision.PAUSE


def _set_up_succeeded(counts: Counts) -> Decision:
    return Decision.RUN if counts.successful == counts.total else Decision.SKIP


def _within(least: float, most: float | None, of: str, counts: Counts) -> Decision:
    if counts.total == 0:
        return Decision.RUN
    found = counts.good if of == "successful" else counts.failed
    highest = counts.total if most is None else _number(most, counts.total)
    return _run_if(_number(least, counts.total) <= found <= highest)


def _number(bound: float, total: int) -> float:
    """A share (a float up to 1) of all upstreams, or a plain number of them."""
    return bound * total if isinstance(bound, float) and bound <= 1 else bound


def _some(of: str, least: float, most: float | None) -> Trigger:
    for bound in (least, most):
        if bound is not None and bound < 0:
            raise errors.GraphError(
                f"some_{of}: {bound} is negative; give a number of upstreams, or a share such as 0.5."
            )
    if most is not None and isinstance(least, float) == isinstance(most, float) and most < least:
        raise errors.GraphError(f"some_{of}: at most {most} is less than at least {least}.")
    bounds = f"{least}" if most is None else f"{least}, {most}"
    return Trigger(f"some_{of}({bounds})", functools.partial(_within, least, most, of))


all_successful = Trigger("all_successful", _all_successful)
all_failed = Trigger("all_failed", _all_failed)
any_successful = Trigger("any_successful", _any_successful)
any_failed = Trigger("any_failed", _any_failed)
all_finished = Trigger("all_finished", _all_finished)
not_all_skipped = Trigger("not_all_skipped", _not_all_skipped)
manual_only = Trigger("manual_only", _manual_only)
#: For the clean-up of a resource: whatever happened in its block, clean up what was set up.
set_up_succeeded = Trigger("set_up_succeeded", _set_up_succeeded, data_only=True)


def some_successful(at_least: float = 1, at_most: float | None = None) -> Trigger:
    """Runs when that many upstreams succeeded: a number, or as a float up to 1 a share of all of them."""
    return _some("successful", at_least, at_most)


def some_failed(at_least: float = 1, at_most: float | None = None) -> Trigger:
    """Runs when that many upstreams failed: a number, or as a float up to 1 a share of all of them."""
    return _some("failed", at_least, at_most)
