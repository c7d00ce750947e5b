"""Tries that are counted, per address of mail and per address of network, so that nobody guesses or bothers without end."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from headrace import errors
from headrace.server import tables
from headrace.web.handlers import Call, Caller

#: How long tries count.
WINDOW = timedelta(minutes=15)

_tries = tables.sign_in_failures
_of = sa.select(_tries).where(_tries.c.subject.in_(sa.bindparam("subjects", expanding=True)))
_again = sa.update(_tries).where(_tries.c.subject == sa.bindparam("counted"))
_forget = sa.delete(_tries).where(_tries.c.subject == sa.bindparam("forgotten"))
_forget_old = sa.delete(_tries).where(_tries.c.since < sa.bindparam("before", type_=_tries.c.since.type))


def subjects(
    kind: str, caller: Caller, *, address: int, email: str = "", of_email: int = 0
) -> dict[str, int]:
    """What a try is counted for, and how many are allowed. A proxy on this machine is everybody's network address."""
    found: dict[str, int] = {}
    if email:
        found[f"{kind}email:{email[:254]}"] = of_email
    if caller.address and not _is_loopback(caller.address):
        found[f"{kind}address:{caller.address[:64]}"] = address
    return found


def refuse_too_many(call: Call[Any], allowed: Mapping[str, int]) -> None:
    """Raises errors.TooManyRequests where one of the subjects has had its tries."""
    for row in call.connection.execute(_of, {"subjects": list(allowed)}):
        again = row.since + WINDOW
        if again > call.now and row.failures >= allowed[row.subject]:
            raise errors.TooManyRequests(
                "too many tries: wait a few minutes",
                retry_after=max(1, int((again - call.now).total_seconds())),
            )


def count(call: Call[Any], allowed: Mapping[str, int]) -> None:
    """One more for each of the subjects."""
    known = {row.subject: row for row in call.connection.execute(_of, {"subjects": list(allowed)})}
    for subject in sorted(allowed):
        row = known.get(subject)
        if row is None:
            values = {"subject": subject, "failures": 1, "since": call.now}
            call.connection.execute(_tries.insert(), values)
            continue
        fresh = row.since + WINDOW > call.now
        values = {"failures": _tries.c.failures + 1} if fresh else {"failures": 1, "since": call.now}
        call.connection.execute(_again.values(values), {"counted": subject})


def forget(call: Call[Any], subject: str) -> None:
    call.connection.execute(_forget, {"forgotten": subject})


def forget_old(call: Call[Any], before: datetime) -> None:
    """Removes what counts no more."""
    call.connection.execute(_forget_old, {"before": before - WINDOW})


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True
