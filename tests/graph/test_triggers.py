"""Triggers, against the whole table of upstream states."""

import pickle

import pytest

from headrace import errors
from headrace.graph import triggers
from headrace.graph.triggers import Counts

UPSTREAMS = {
    "-": Counts(),
    "S": Counts(successful=1),
    "F": Counts(failed=1),
    "K": Counts(skipped=1),
    "SF": Counts(successful=1, failed=1),
    "SK": Counts(successful=1, skipped=1),
    "FK": Counts(failed=1, skipped=1),
    "SS": Counts(successful=2),
    "FF": Counts(failed=2),
    "KK": Counts(skipped=2),
    "X": Counts(cancelled=1),
    "SX": Counts(successful=1, cancelled=1),
    "P": Counts(unfinished=1),
}

# One letter for each column above: r(un), f(ail), s(kip), p(ause).
TABLE = {
    triggers.all_successful: "rrfrfrfrfrfff",
    triggers.all_failed: "rfrfffffrffff",
    triggers.any_successful: "rrfrrrrrfrfrf",
    triggers.any_failed: "rfrfrfrfrffff",
    triggers.all_finished: "rrrrrrrrrrrrf",
    triggers.not_all_skipped: "srfsfrfrfsfff",
    triggers.some_failed(1): "rfrfrfrfrffff",
    triggers.some_successful(1): "rrfrrrrrfrfrf",
    triggers.some_successful(0.5): "rrfrrrrrfrfrf",
    triggers.manual_only: "ppppppppppppp",
}


@pytest.mark.parametrize("trigger", TABLE, ids=lambda trigger: trigger.name)
def test_a_trigger_decides_as_its_row_of_the_table_says(trigger):
    decided = {name: trigger(counts).value[0] for name, counts in UPSTREAMS.items()}
    assert decided == dict(zip(UPSTREAMS, TABLE[trigger], strict=True))


def test_cancelled_counts_neither_as_success_nor_as_failure():
    cancelled = Counts(cancelled=3)
    assert triggers.any_successful(cancelled) is triggers.Decision.FAIL
    assert triggers.any_failed(cancelled) is triggers.Decision.FAIL


def test_a_share_counts_all_upstreams_and_a_number_only_those():
    three_of_four = Counts(successful=3, failed=1)
    assert triggers.some_successful(0.75)(three_of_four) is triggers.Decision.RUN
    assert triggers.some_successful(0.8)(three_of_four) is triggers.Decision.FAIL
    assert triggers.some_successful(3)(three_of_four) is triggers.Decision.RUN
    assert triggers.some_successful(1, 2)(three_of_four) is triggers.Decision.FAIL
    assert triggers.some_failed(at_most=0.5)(three_of_four) is triggers.Decision.RUN


def test_a_whole_number_is_no_share():
    assert triggers.some_successful(1)(Counts(successful=1, failed=1)) is triggers.Decision.RUN
    assert triggers.some_successful(1.0)(Counts(successful=1, failed=1)) is triggers.Decision.FAIL


def test_impossible_bounds_are_refused():
    with pytest.raises(errors.GraphError, match="negative"):
        triggers.some_failed(-1)
    with pytest.raises(errors.GraphError, match="at most 1 is less than at least 2"):
        triggers.some_failed(2, 1)


def test_a_clean_up_runs_only_if_what_it_cleans_was_set_up():
    assert triggers.set_up_succeeded(Counts(successful=1)) is triggers.Decision.RUN
    assert triggers.set_up_succeeded(Counts(failed=1)) is triggers.Decision.SKIP
    assert triggers.set_up_succeeded(Counts(skipped=1)) is triggers.Decision.SKIP
    assert triggers.set_up_succeeded.data_only


@pytest.mark.parametrize("trigger", TABLE, ids=lambda trigger: trigger.name)
def test_a_trigger_can_be_pickled(trigger):
    copy = pickle.loads(pickle.dumps(trigger))
    assert copy.name == trigger.name
    assert [copy(counts) for counts in UPSTREAMS.values()] == [
        trigger(counts) for counts in UPSTREAMS.values()
    ]
