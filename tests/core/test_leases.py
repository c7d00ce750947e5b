from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from headrace import errors
from headrace.core import leases
from headrace.core.states import StateType

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMING = leases.Timing()


def seconds(count):
    return timedelta(seconds=count)


def test_the_default_times_are_the_documented_ones_and_safe():
    TIMING.check()
    assert [getattr(TIMING, name).total_seconds() for name in TIMING.__struct_fields__[:-1]] == [
        *(5, 20, 5, 15, 8, 10, 120),
    ]


def test_shorter_times_for_tests_are_safe_too():
    tenth = {name: getattr(TIMING, name) / 10 for name in TIMING.__struct_fields__[:-1]}
    leases.Timing(**tenth).check()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"grace": seconds(13)}, "grace"),
        ({"pause": seconds(12)}, "grace"),
        ({"clock_rate_error": 0.14}, "grace"),
        ({"heartbeat": seconds(8)}, "heartbeat"),
        ({"lost_after": seconds(19)}, "lost_after"),
        ({"kill": seconds(0)}, "kill"),
    ],
)
def test_unsafe_times_are_refused_with_the_field(changed, field):
    with pytest.raises(errors.Invalid) as caught:
        msgspec.structs.replace(TIMING, **changed).check()
    assert list(caught.value.fields) == [field]


def test_equality_of_waits_and_needs_is_not_safe():
    needs = TIMING.kill + TIMING.pause + 0.01 * (TIMING.lease - TIMING.margin)
    exact = msgspec.structs.replace(TIMING, grace=needs - TIMING.margin)
    with pytest.raises(errors.Invalid):
        exact.check()
    msgspec.structs.replace(exact, grace=exact.grace + timedelta(microseconds=1)).check()


def test_the_runner_counts_from_the_sending():
    assert leases.runner_deadline(100.0, TIMING) == 115.0


def test_the_runner_is_gone_before_the_server_acts():
    """Sent and arrived at once is the worst case: then both count from the same moment."""
    slow = 1 + TIMING.clock_rate_error
    gone = leases.runner_deadline(0.0, TIMING) * slow + (TIMING.pause + TIMING.kill).total_seconds()
    until = leases.lease_until(NOW, TIMING)
    assert not leases.lease_and_grace_over(NOW + seconds(gone), until, TIMING)


@pytest.mark.parametrize(
    ("after", "over", "grace_over"),
    [(-1, False, False), (0, True, False), (14, True, False), (15, True, True)],
)
def test_a_lease_is_over_at_its_end_and_its_grace_later(after, over, grace_over):
    now = NOW + seconds(after)
    assert leases.lease_over(now, NOW) is over
    assert leases.lease_and_grace_over(now, NOW, TIMING) is grace_over


def test_a_lease_that_was_never_granted_is_over():
    assert leases.lease_over(NOW, None)
    assert leases.lease_and_grace_over(NOW, None, TIMING)
    assert leases.contact_lost(NOW, None, TIMING)


def test_contact_is_lost_two_minutes_after_the_last_sign_of_life():
    until = leases.lease_until(NOW, TIMING)
    assert not leases.contact_lost(NOW + seconds(119), until, TIMING)
    assert leases.contact_lost(NOW + seconds(120), until, TIMING)


def test_a_flow_sets_its_own_patience_but_never_less_than_the_lease():
    until = leases.lease_until(NOW, TIMING)
    assert leases.contact_lost(NOW + seconds(30), until, TIMING, lost_after=seconds(30))
    assert not leases.contact_lost(NOW + seconds(19), until, TIMING, lost_after=seconds(1))


def test_an_amnesty_keeps_every_lease_alive_and_restarts_the_patience():
    amnesty = leases.amnesty_until(NOW, TIMING)
    stale = NOW - timedelta(hours=1)
    for lease in (stale, None):
        assert not leases.lease_over(NOW + seconds(19), lease, amnesty_until=amnesty)
        assert not leases.lease_and_grace_over(NOW + seconds(19), lease, TIMING, amnesty_until=amnesty)
        assert not leases.contact_lost(NOW + seconds(19), lease, TIMING, amnesty_until=amnesty)
        assert leases.lease_over(NOW + seconds(20), lease, amnesty_until=amnesty)
    assert not leases.lease_and_grace_over(NOW + seconds(34), stale, TIMING, amnesty_until=amnesty)
    assert leases.lease_and_grace_over(NOW + seconds(35), stale, TIMING, amnesty_until=amnesty)
    assert not leases.contact_lost(NOW + seconds(119), stale, TIMING, amnesty_until=amnesty)
    assert leases.contact_lost(NOW + seconds(120), stale, TIMING, amnesty_until=amnesty)


@pytest.mark.parametrize("kind", list(StateType))
def test_only_a_run_with_user_code_is_unreachable(kind):
    expected = kind in (StateType.RUNNING, StateType.CANCELLING)
    assert leases.unreachable(kind, NOW, NOW) is expected
    assert not leases.unreachable(kind, NOW - seconds(1), NOW)


def test_times_are_replaced_by_name_and_must_fit_together() -> None:
    assert leases.timed({}) == leases.Timing()
    assert leases.timed({"lost_after": 60}).lost_after == timedelta(seconds=60)
    with pytest.raises(errors.Invalid, match="no time 'leese'"):
        leases.timed({"leese": 1})
    with pytest.raises(errors.Invalid, match="not safe"):
        leases.timed({"grace": 1})
