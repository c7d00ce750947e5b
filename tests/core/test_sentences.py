"""V4: a schedule in words."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from headrace.core import filters, schedules, sentences


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 * * * *", "at minute 0 of every hour"),
        ("5,35 * * * *", "at minutes 5 and 35 of every hour"),
        ("0 6 * * *", "at 06:00"),
        ("30 6,18 * * *", "at 06:30 and 18:30"),
        ("0 6 * * 1-5", "at 06:00 on Monday to Friday"),
        ("0 6 * * MON,WED,SUN", "at 06:00 on Monday, Wednesday and Sunday"),
        ("0 6 * * 7", "at 06:00 on Sunday"),
        ("0 6 1 * *", "at 06:00 on the 1st of the month"),
        ("0 6 1,15 * 1", "at 06:00 on the 1st and 15th of the month or on Monday"),
        ("0 6 */2 * 1", "at 06:00 on every 2nd day of the month and only on Monday"),
        ("0 6 L * *", "at 06:00 on the last day of the month"),
        ("0 6 * 1,7 *", "at 06:00 in January and July"),
        ("0 6 * JUN-AUG *", "at 06:00 in June to August"),
        ("0 6 * * 1#2", "at 06:00 on the 2nd Monday of the month"),
        ("0 6 * * 5L", "at 06:00 on the last Friday of the month"),
        ("*/10 9-17 * * *", "every 10 minutes, during hours 9 to 17"),
        ("0 */2 * * *", "at minute 0, during every 2nd hour"),
        ("0 1-23/2 * * *", "at minute 0, during hours 1 to 23 in steps of 2"),
        ("@daily", "at 00:00"),
    ],
)
def test_cron_in_words(expression: str, words: str) -> None:
    schedules.cron(expression)  # it is one
    assert sentences.cron(expression) == words


def test_schedules_in_words() -> None:
    start = datetime(2026, 11, 22, 6, tzinfo=UTC)
    weekly = schedules.every(timedelta(weeks=2), start=start, timezone="Europe/Berlin")
    assert sentences.sentence(weekly) == (
        "Every 2 weeks, counted from 2026-11-22 07:00, time of Europe/Berlin."
    )
    dates = schedules.dates([start + timedelta(days=number) for number in range(5)])
    assert sentences.sentence(dates) == (
        "At 2026-11-22 06:00, 2026-11-23 06:00, 2026-11-24 06:00 and 2 more, UTC."
    )
    narrowed = schedules.cron(
        "0 6 * * *",
        start=start,
        end=start + timedelta(days=9),
        filters=[
            filters.OnWeekdays((0, 1)),
            filters.NotOnDates((date(2026, 12, 24),)),
            filters.OnMonthEnds(),
            filters.BetweenTimes(time(6), time(7, 30)),
        ],
    )
    assert sentences.sentence(narrowed) == (
        "At 06:00, UTC, from 2026-11-22 06:00, until 2026-12-01 06:00, only on Monday and Tuesday,"
        " not on 1 date, only on the last day of a month, only between 06:00 and 07:30."
    )
    both = schedules.combine([schedules.cron("0 6 * * *"), schedules.rrule("FREQ=DAILY;BYHOUR=9")])
    assert sentences.sentence(both) == "At 06:00, UTC; or by the rule FREQ=DAILY;BYHOUR=9, UTC."


@pytest.mark.parametrize(
    ("schedule", "title"),
    [
        (schedules.cron(" 0 6 * * * "), "0 6 * * *"),
        (schedules.every(timedelta(minutes=5)), "every 5 minutes"),
        (schedules.every(timedelta(seconds=90)), "every 90 seconds"),
        (schedules.every(timedelta(days=1)), "every day"),
        (schedules.dates([datetime(2027, 1, 1, tzinfo=UTC)]), "on 1 date"),
        (schedules.combine([schedules.cron("0 6 * * *"), schedules.cron("0 7 * * *")]), "0 6 * * * and 1 more"),
    ],
)  # fmt: skip
def test_titles(schedule: schedules.Schedule, title: str) -> None:
    assert sentences.title(schedule) == title
