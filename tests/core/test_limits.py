"""What becomes of a run that finds a limit full, and how many slots it takes."""

import pytest

from headrace.core import limits
from headrace.core.limits import WhenFull


@pytest.mark.parametrize("policy", list(WhenFull))
@pytest.mark.parametrize("scheduled", [True, False])
@pytest.mark.parametrize("attempt", [0, 1])
def test_only_new_runs_are_cancelled_and_only_those_that_the_policy_names(
    policy: WhenFull, scheduled: bool, attempt: int
) -> None:
    expected = (
        attempt == 0
        and {
            WhenFull.QUEUE: False,
            WhenFull.SKIP: scheduled,
            WhenFull.CANCEL_NEW: True,
        }[policy]
    )
    assert limits.cancels(policy, scheduled=scheduled, attempt=attempt) is expected


@pytest.mark.parametrize(("slots", "size", "takes"), [(1, 5, 1), (3, 5, 3), (9, 5, 5), (1, 0, 1), (3, 0, 1)])
def test_a_run_larger_than_the_limit_takes_all_of_it_and_none_of_zero(
    slots: int, size: int, takes: int
) -> None:
    """Of a limit of zero it needs one that is not there."""
    assert limits.needed(slots, size) == takes


def test_priorities_and_slots_have_bounds_and_words_for_them() -> None:
    assert limits.problems(None, None) == {}
    assert limits.problems(-10, 1) == {}
    assert limits.problems(11, 0) == {
        "priority": "must be from -10 to 10, not 11",
        "slots": "must be from 1 to 10000, not 0",
    }
