from datetime import UTC, date, datetime, time, timedelta

import msgspec
import pytest

from headrace import errors
from headrace.core import clocks, filters, schedules
from headrace.core.schedules import (
    CatchUp,
    Firing,
    Schedule,
    combine,
    cron,
    dates,
    every,
    missed,
    preview,
    rrule,
    upcoming,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def moments(firings):
    return [firing.at for firing in firings]


NEW_YEAR = utc(2026, 1, 1)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_every_hour_fires_as_often_as_the_year_has_hours(zone):
    """A virtual clock goes through a year of days."""
    schedule, count, now = every(HOUR, timezone=zone), 0, NEW_YEAR
    while now < NEW_YEAR + 365 * DAY:
        count += sum(firing.at <= now + DAY for firing in upcoming(schedule, now, 30))
        now += DAY
    assert count == 8760


@pytest.mark.parametrize(("zone", "count"), [("UTC", 8760), ("Europe/Berlin", 8759)])
def test_an_hourly_cron_fires_once_for_each_local_hour(zone, count):
    """The hour that comes twice fires once; at the end of the missing one the next fires anyway."""
    assert (
        len(list(schedules.firings(cron("0 * * * *", timezone=zone), NEW_YEAR, NEW_YEAR + 365 * DAY)))
        == count
    )


def test_the_next_firings_come_in_order_from_all_clocks():
    schedule = combine([cron("0 6 * * *"), every(12 * HOUR, start=NEW_YEAR)])
    assert moments(upcoming(schedule, NEW_YEAR, 4)) == [
        *(utc(2026, 1, 1, 6), utc(2026, 1, 1, 12), utc(2026, 1, 2), utc(2026, 1, 2, 6)),
    ]


def test_two_clocks_at_one_instant_make_one_run_unless_they_differ():
    same = combine([cron("0 6 * * *"), cron("0 6 * * *")])
    assert moments(upcoming(same, NEW_YEAR, 2)) == [utc(2026, 1, 1, 6), utc(2026, 1, 2, 6)]
    differ = combine(
        [cron("0 6 * * *"), cron("0 6 * * *", parameters={"full": True}), cron("0 6 * * *", labels=["x"])]
    )
    found = upcoming(differ, NEW_YEAR, 3)
    assert set(moments(found)) == {utc(2026, 1, 1, 6)}
    assert len({firing.key for firing in found}) == 3
    assert {firing.clock for firing in found} == {0, 1, 2}


def test_a_key_does_not_depend_on_the_order_of_clocks_or_parameters():
    first = Firing(NEW_YEAR, {"a": 1, "b": 2}, None, 0)
    assert first.key == Firing(NEW_YEAR, {"b": 2, "a": 1}, None, 5).key
    assert first.key != Firing(NEW_YEAR, {"a": 1, "b": 3}).key
    assert Firing(NEW_YEAR).key == "2026-01-01T00:00:00+00:00"
    assert Firing(NEW_YEAR, labels=[]).key != Firing(NEW_YEAR).key


def test_a_schedule_that_is_not_active_only_has_a_preview():
    schedule = msgspec.structs.replace(every(HOUR, catch_up="all"), active=False)
    assert upcoming(schedule, NEW_YEAR, 3) == []
    assert missed(schedule, NEW_YEAR, NEW_YEAR + DAY) == []
    assert len(preview(schedule, NEW_YEAR, 3)) == 3


def test_the_preview_tells_of_gap_and_fold():
    zone = "America/New_York"
    gap = preview(cron("30 2 * * *", timezone=zone), utc(2026, 3, 8), 2)
    assert gap[0].dst.code == "dst_gap"
    assert "02:30 on 2026-03-08 does not exist" in gap[0].dst.sentence
    assert "03:00 (07:00 UTC)" in gap[0].dst.sentence
    assert gap[1].dst is None
    fold = preview(cron("30 1 * * *", timezone=zone), utc(2026, 11, 1), 1)[0]
    assert fold.dst.code == "dst_fold"
    assert "first (05:30 UTC), not at the second (06:30 UTC)" in fold.dst.sentence


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("skip", []),
        ("latest", [utc(2026, 1, 1, 3)]),
        ("all", [utc(2026, 1, 1, 1), utc(2026, 1, 1, 2), utc(2026, 1, 1, 3)]),
    ],
)
def test_the_policy_decides_about_missed_firings(policy, expected):
    schedule = every(HOUR, start=NEW_YEAR, catch_up=policy)
    assert moments(missed(schedule, NEW_YEAR, NEW_YEAR + 3 * HOUR)) == expected
    assert moments(missed(schedule, NEW_YEAR, NEW_YEAR + 3.5 * HOUR)) == expected


@pytest.mark.parametrize("policy", ["latest", "all"])
def test_nothing_missed_is_nothing_caught_up(policy):
    schedule = every(HOUR, start=NEW_YEAR, catch_up=policy)
    assert missed(schedule, NEW_YEAR, NEW_YEAR) == []
    assert missed(schedule, NEW_YEAR, NEW_YEAR + 0.9 * HOUR) == []


def test_a_window_limits_how_far_back_is_caught_up():
    schedule = every(HOUR, start=NEW_YEAR, catch_up="all", window=2 * HOUR)
    assert moments(missed(schedule, NEW_YEAR, NEW_YEAR + DAY)) == [NEW_YEAR + 23 * HOUR, NEW_YEAR + DAY]
    rare = cron("0 0 1 * *", catch_up="latest", window=DAY)
    assert missed(rare, NEW_YEAR, utc(2026, 1, 20)) == []


def test_latest_of_several_clocks_is_one_instant():
    schedule = combine([every(HOUR, catch_up="latest"), cron("30 * * * *", catch_up="latest")])
    assert moments(missed(schedule, NEW_YEAR, NEW_YEAR + 2.75 * HOUR)) == [NEW_YEAR + 2.5 * HOUR]


@pytest.mark.parametrize("policy", list(CatchUp))
@pytest.mark.parametrize(
    "make",
    [
        lambda policy: every(timedelta(seconds=1), catch_up=policy),
        lambda policy: every(DAY, timezone="Europe/Berlin", catch_up=policy),
        lambda policy: cron("* * * * *", timezone="Europe/Berlin", catch_up=policy),
        lambda policy: rrule("FREQ=MINUTELY", catch_up=policy),
        lambda policy: rrule("FREQ=YEARLY", catch_up=policy),
        lambda policy: cron("* * * * *", catch_up=policy, filters=[filters.OnDates((date(2027, 2, 3),))]),
    ],
)
@pytest.mark.timeout(20)
def test_ten_years_of_down_time_are_no_loop_over_misses(make, policy):
    schedule = make(policy)
    found = missed(schedule, NEW_YEAR, NEW_YEAR + 3652 * DAY)
    assert len(found) <= schedules.CATCH_UP_LIMIT
    assert bool(found) == (policy is not CatchUp.SKIP)
    assert moments(found) == sorted(moments(found))
    if policy is CatchUp.LATEST:
        assert len(found) == 1


@pytest.mark.parametrize(
    "schedule",
    [
        every(7 * HOUR, start=NEW_YEAR, timezone="Europe/Berlin", filters=[filters.OnWeekdays()]),
        cron(
            "*/20 * * * *", timezone="America/New_York", filters=[filters.BetweenTimes(time(22), time(3, 20))]
        ),
        cron("30 2 * * *", timezone="America/New_York", filters=[filters.NotOnDates((date(2026, 3, 8),))]),
        rrule("FREQ=DAILY;BYHOUR=1,2", timezone="Europe/Berlin", filters=[filters.OnMonthEnds()]),
        every(HOUR, filters=[filters.OnMonthStarts(), filters.OnWeekdays((6,))]),
    ],
)
def test_what_is_missed_is_what_would_have_fired(schedule):
    schedule = msgspec.structs.replace(schedule, catch_up=CatchUp.ALL)
    now = NEW_YEAR + 330 * DAY
    forward = moments(schedules.firings(schedule, NEW_YEAR, now))
    assert forward[-schedules.CATCH_UP_LIMIT :] == moments(missed(schedule, NEW_YEAR, now))
    zone = schedule.clocks[0].timezone
    bare = moments(schedules.firings(msgspec.structs.replace(schedule, filters=()), NEW_YEAR, now))
    shown = {at: schedules.zones.local(at, schedules.zones.zone(zone)) for at in bare}
    kept = [at for at in bare if all(one.forward(shown[at]) == shown[at] for one in schedule.filters)]
    assert forward == kept
    assert 0 < len(kept) < len(bare)


@pytest.mark.parametrize(
    ("narrowing", "kept", "refused"),
    [
        (
            filters.OnWeekdays(),
            datetime.fromisoformat("2026-11-20T10:00"),
            datetime.fromisoformat("2026-11-21T10:00"),
        ),
        (
            filters.OnWeekdays((6,)),
            datetime.fromisoformat("2026-11-22T10:00"),
            datetime.fromisoformat("2026-11-21T10:00"),
        ),
        (
            filters.OnMonthStarts(),
            datetime.fromisoformat("2026-11-01T10:00"),
            datetime.fromisoformat("2026-11-02T10:00"),
        ),
        (
            filters.OnMonthEnds(),
            datetime.fromisoformat("2028-02-29T10:00"),
            datetime.fromisoformat("2028-02-28T10:00"),
        ),
        (
            filters.OnDates((date(2026, 12, 24),)),
            datetime.fromisoformat("2026-12-24T10:00"),
            datetime.fromisoformat("2027-12-24T10:00"),
        ),
        (
            filters.NotOnDates((date(2026, 12, 24),)),
            datetime.fromisoformat("2026-12-25T10:00"),
            datetime.fromisoformat("2026-12-24T10:00"),
        ),
        (
            filters.BetweenTimes(time(9), time(17)),
            datetime.fromisoformat("2026-11-20T17:00"),
            datetime.fromisoformat("2026-11-20T17:01"),
        ),
        (
            filters.BetweenTimes(time(22), time(2)),
            datetime.fromisoformat("2026-11-20T23:00"),
            datetime.fromisoformat("2026-11-20T03:00"),
        ),
    ],
)
def test_a_filter_keeps_and_jumps(narrowing, kept, refused):
    assert narrowing.forward(kept) == narrowing.backward(kept) == kept
    assert narrowing.forward(refused) > refused > narrowing.backward(refused)


@pytest.mark.timeout(20)
def test_filters_that_refuse_everything_give_nothing():
    never = every(
        HOUR,
        catch_up="all",
        filters=[filters.OnDates((date(2026, 1, 2),)), filters.OnDates((date(2026, 1, 3),))],
    )
    assert upcoming(never, NEW_YEAR, 3) == []
    assert missed(never, NEW_YEAR - 20 * 366 * DAY, NEW_YEAR) == []


def test_dates_and_starts_without_zone_are_local_times():
    assert moments(
        upcoming(dates([datetime.fromisoformat("2026-07-01T12:00")], timezone="Europe/Berlin"), NEW_YEAR, 2)
    ) == [utc(2026, 7, 1, 10)]
    daily = every(DAY, start=datetime.fromisoformat("2026-01-01T06:00"), timezone="Europe/Berlin")
    assert moments(upcoming(daily, utc(2026, 6, 30, 12), 1)) == [utc(2026, 7, 1, 4)]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Schedule(()), "clocks"),
        (lambda: combine([]), "clocks"),
        (lambda: cron("@daily", catch_up="some"), "catch_up"),
        (lambda: combine([cron("@daily"), cron("@hourly", catch_up="all")]), "catch_up"),
        (lambda: cron("@daily", window=timedelta(0)), "window_seconds"),
        (lambda: cron("@daily", labels=["a b"]), "labels"),
        (lambda: cron("@daily", labels="gpu"), "labels"),
        (lambda: cron("@daily", parameters={"x": object()}), "parameters"),
        (lambda: Schedule((clocks.CronClock("@daily", labels=[""]),)), "labels"),
        (lambda: every(timedelta(milliseconds=1500)), "interval"),
        (lambda: every(timedelta(0)), "every_seconds"),
        (lambda: dates([]), "dates"),
        (lambda: filters.OnWeekdays((7,)), "days"),
        (lambda: filters.OnDates(()), "dates"),
        (lambda: filters.BetweenTimes(time(9, tzinfo=UTC), time(17)), "start"),
    ],
)
def test_a_wrong_schedule_is_refused_with_the_field(make, field):
    with pytest.raises(errors.Invalid) as caught:
        make()
    assert list(caught.value.fields) == [field]


def test_a_schedule_gives_every_required_parameter():
    schedule = combine([cron("@daily", parameters={"day": "today"}), cron("@hourly")])
    schedules.require_parameters(schedule, required=[], known=["day"])
    with pytest.raises(errors.Invalid, match="'day' has no default") as caught:
        schedules.require_parameters(schedule, required=["day"], known=["day"])
    assert list(caught.value.fields) == ["clocks[1].parameters.day"]
    with pytest.raises(errors.Invalid, match="did you mean 'days'"):
        schedules.require_parameters(schedule, required=[], known=["days"])


def test_a_schedule_crosses_the_wire_as_it_is():
    schedule = combine(
        [
            cron("@daily", parameters={"a": [1]}, labels=["x"], catch_up="latest"),
            every(HOUR, start=NEW_YEAR, catch_up="latest"),
            rrule("FREQ=DAILY", catch_up="latest"),
            dates([NEW_YEAR], catch_up="latest"),
        ]
    )
    narrowed = (
        filters.OnWeekdays((1, 2)),
        filters.OnDates((date(2026, 1, 1),)),
        filters.NotOnDates((date(2026, 1, 1),)),
        filters.OnMonthStarts(),
        filters.OnMonthEnds(),
        filters.BetweenTimes(time(9), time(17)),
    )
    schedule = msgspec.structs.replace(schedule, filters=narrowed, window_seconds=60)
    assert msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule) == schedule
