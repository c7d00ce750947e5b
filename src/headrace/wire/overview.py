"""The dashboard's answer: is everything all right, what went wrong, what waits, what runs."""

from datetime import datetime

from headrace import wire
from headrace.wire import runs, schedules


class ReadOverview(wire.Message, frozen=True, kw_only=True):
    """Over the last `hours`, in `buckets` equal parts."""

    project: str | None = None
    hours: int = 24
    buckets: int = 48


class Bucket(wire.Answer, frozen=True, kw_only=True):
    """Runs that ended (or are unfinished and began) in this part of the period, by state type."""

    starts_at: datetime
    states: dict[str, int]


class Overview(wire.Answer, frozen=True, kw_only=True):
    buckets: list[Bucket]
    states: dict[str, int]
    needs_a_look: list[runs.FlowRun]
    running: list[runs.FlowRun]
    upcoming: list[runs.FlowRun]
    agents: dict[str, int]
    flows: int
    projects: int
    settings: schedules.Settings
