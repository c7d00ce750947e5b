"""Local times and instants: one rule for the hour that is missing in spring and the one that comes twice in autumn.

A local time in a gap means the first valid moment after the gap; one in a fold means the first of its two moments. So each
local time means exactly one instant, and later local times never mean earlier instants.
"""

import difflib
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from headrace import errors


class Tick(msgspec.Struct, frozen=True):
    """One moment of a clock, in UTC. `dst` and `wanted` (a local time) are set when a clock change touches it."""

    at: datetime
    dst: Literal["gap", "fold"] | None = None
    wanted: datetime | None = None


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The IANA time zone of this name. Invalid, with a suggestion, when there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else "give an IANA name like 'Europe/Berlin'."
        raise errors.Invalid(
            f"There is no time zone {name!r}: {hint}",
            fields={"timezone": f"unknown time zone {name!r}: {hint}"},
        ) from None


def local(instant: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """What a wall clock in the zone shows at this instant, without zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def latest_local(instant: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """A local time that no local time whose tick is at or before this instant exceeds.

    In the second pass of a fold that is more than the wall clock shows: the first pass went further.
    """
    shown = instant.astimezone(zone)
    if not shown.fold:
        return shown.replace(tzinfo=None)
    first_pass = shown.replace(fold=0)
    return (shown + (_offset(first_pass) - _offset(shown))).replace(tzinfo=None, fold=0)


def tick(wanted: datetime, zone: zoneinfo.ZoneInfo) -> Tick:
    """The one instant that a local time (without zone) means."""
    first, second = wanted.replace(tzinfo=zone, fold=0), wanted.replace(tzinfo=zone, fold=1)
    before, after = _offset(first), _offset(second)
    if before == after:
        return Tick(first.astimezone(UTC))
    if before > after:
        return Tick(first.astimezone(UTC), "fold", wanted)
    return Tick(_change_between((wanted - after), (wanted - before), zone), "gap", wanted)


def _change_between(early: datetime, late: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The first whole second at which the zone's offset is the one it has at `late` (both UTC, given without zone)."""
    start = early.replace(tzinfo=UTC, microsecond=0)
    target = _offset(late.replace(tzinfo=UTC).astimezone(zone))
    low, high = 0, int((late - early).total_seconds()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _offset((start + timedelta(seconds=middle)).astimezone(zone)) == target:
            high = middle
        else:
            low = middle
    return start + timedelta(seconds=high)


def second_pass(tick: Tick, zone: zoneinfo.ZoneInfo) -> datetime | None:
    """The other moment of a local time that comes twice, in UTC."""
    if tick.dst != "fold" or tick.wanted is None:
        return None
    return tick.wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)


def instant(moment: datetime, timezone: str) -> datetime:
    """The UTC instant of a moment: one without zone is a local time in `timezone`."""
    if moment.tzinfo is None:
        return tick(moment, zone(timezone)).at
    return moment.astimezone(UTC)


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None, "the moment has a zone"
    return offset
