"""Retention: the rules that say how long history is kept, of the installation and of single flows.

`removal.py` goes by them. Only what is finished ever goes.
"""

import dataclasses
import difflib
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.server import tables
from headrace.server.service import handles
from headrace.web.handlers import Call
from headrace.wire import operations, retention

_rules = tables.retention_rules
_rounds = tables.retention_rounds

#: Rounds that are shown.
SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Kind:
    """Something that is kept for a while.

    Attributes
    ----------
    owned: the tables whose rows go, of finished runs that stay; None where whole runs go, or nothing of a run's.
    per_flow: whether it is counted by flow, so that a flow may have a rule of its own.
    seconds: how long it is kept where nobody has said anything; None is for ever.
    shortest: what would break with less, in seconds.
    """

    name: str
    what: str
    owned: tuple[sa.Table, ...] | None = None
    per_flow: bool = True
    seconds: float | None = None
    shortest: float = 0.0


#: The order is that of a round: what is taken from runs that stay, before the runs that go.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("logs", "logs of finished runs", owned=(tables.logs,)),
        Kind("task_run_states", "histories of finished runs' tasks", owned=(tables.task_run_states,)),
        Kind("flow_runs", "finished runs with all that belongs to them"),
        Kind(
            "requests",
            "answers to request ids that belong to no run",
            per_flow=False,
            seconds=timedelta(days=7).total_seconds(),
            shortest=timedelta(hours=1).total_seconds(),
        ),
        Kind(
            "audit",
            "entries of the audit log",
            per_flow=False,
            shortest=timedelta(days=1).total_seconds(),
        ),
    )
}


class Limit(msgspec.Struct, frozen=True):
    """What holds: None is no limit."""

    seconds: float | None = None
    runs: int | None = None
    origin: str = "default"

    @property
    def keeps_all(self) -> bool:
        return self.seconds is None and self.runs is None


class Rules:
    """All rules, read once."""

    def __init__(self, connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(_rules)).all()
        self._found = {
            (row.kind, row.scope): Limit(row.seconds, row.runs, "flow" if row.scope else "installation")
            for row in rows
        }

    def limit(self, kind: Kind, flow_id: UUID | None = None) -> Limit:
        """What holds for this kind, of this flow or where a flow has no rule of its own."""
        usual = self._found.get((kind.name, ""), Limit(kind.seconds))
        return usual if flow_id is None else self._found.get((kind.name, str(flow_id)), usual)

    @property
    def keeps_all_runs(self) -> bool:
        """Whether nothing of any run ever goes: no flow need be looked at."""
        own = any(not limit.keeps_all for (_, scope), limit in self._found.items() if scope)
        return not own and all(self.limit(kind).keeps_all for kind in KINDS.values() if kind.per_flow)


_overrides = (
    sa.select(
        _rules.c.kind, _rules.c.flow_id, tables.flows.c.name.label("flow"), tables.projects.c.name.label("project"),
        _rules.c.seconds, _rules.c.runs,
    )
    .join(tables.flows, tables.flows.c.id == _rules.c.flow_id)
    .join(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
    .order_by(tables.projects.c.name, tables.flows.c.name, _rules.c.kind)
)  # fmt: skip
_recent = (
    sa.select(_rounds.c.began_at, _rounds.c.ended_at, _rounds.c.removed, _rounds.c.complete)
    .order_by(_rounds.c.id.desc())
    .limit(SHOWN)
)
_flow = sa.select(tables.flows.c.id).where(tables.flows.c.id == sa.bindparam("id"))
_change = sa.update(_rules).where(
    _rules.c.kind == sa.bindparam("of_kind"), _rules.c.scope == sa.bindparam("of_scope")
)
_make = sa.insert(_rules)
_remove = sa.delete(_rules).where(
    _rules.c.kind == sa.bindparam("of_kind"), _rules.c.scope == sa.bindparam("of_scope")
)


@handles(operations.read_retention)
def read_retention(call: Call[Any], request: retention.ReadRetention) -> retention.Retention:
    if request.flow_id is not None:
        _known_flow(call, request.flow_id)
    rules = Rules(call.connection)
    limits = [
        retention.Limits(
            kind=kind.name, what=kind.what, per_flow=kind.per_flow, seconds=limit.seconds, runs=limit.runs,
            origin=limit.origin,
        )
        for kind in KINDS.values()
        for limit in [rules.limit(kind, request.flow_id)]
    ]  # fmt: skip
    overrides = [retention.Override(**row) for row in call.connection.execute(_overrides).mappings()]
    rounds = [retention.Round(**row) for row in call.connection.execute(_recent).mappings()]
    return retention.Retention(limits=limits, overrides=overrides, rounds=rounds)


@handles(operations.set_retention)
def set_retention(call: Call[Any], request: retention.SetRetention) -> retention.Retention:
    kind = _known_kind(request.kind)
    _check(kind, request)
    scope = _scope(call, kind, request.flow_id)
    values = {"seconds": request.seconds, "runs": request.runs, "updated_at": call.now}
    changed = call.connection.execute(_change, {"of_kind": kind.name, "of_scope": scope, **values})
    if changed.rowcount == 0:
        key = {"kind": kind.name, "scope": scope, "flow_id": request.flow_id}
        call.connection.execute(_make, key | values)
    return read_retention(call, retention.ReadRetention(flow_id=request.flow_id))


@handles(operations.reset_retention)
def reset_retention(call: Call[Any], request: retention.ResetRetention) -> retention.Retention:
    kind = _known_kind(request.kind)
    scope = _scope(call, kind, request.flow_id)
    call.connection.execute(_remove, {"of_kind": kind.name, "of_scope": scope})
    return read_retention(call, retention.ReadRetention(flow_id=request.flow_id))


def _known_kind(name: str) -> Kind:
    if name not in KINDS:
        close = difflib.get_close_matches(name, KINDS, 1)
        hint = f", did you mean {close[0]!r}?" if close else f"; there are {', '.join(KINDS)}"
        raise errors.Invalid(f"there is no rule for {name!r}{hint}", fields={"kind": "unknown"})
    return KINDS[name]


def _known_flow(call: Call[Any], flow_id: UUID) -> None:
    if call.connection.execute(_flow, {"id": flow_id}).one_or_none() is None:
        raise errors.NotFound(f"there is no flow {flow_id}")


def _scope(call: Call[Any], kind: Kind, flow_id: UUID | None) -> str:
    if flow_id is None:
        return ""
    if not kind.per_flow:
        raise errors.Invalid(
            f"{kind.what} belong to no flow: set the installation's rule",
            fields={"flow_id": "not for this kind"},
        )
    _known_flow(call, flow_id)
    return str(flow_id)


def _check(kind: Kind, request: retention.SetRetention) -> None:
    problems: dict[str, str] = {}
    if request.seconds is not None and not request.seconds >= max(kind.shortest, 1):
        problems["seconds"] = f"at least {max(kind.shortest, 1):g}, or nothing for no limit"
    if request.runs is not None and request.runs < 0:
        problems["runs"] = "0 or more, or nothing for no limit"
    if request.runs is not None and not kind.per_flow:
        problems["runs"] = f"{kind.what}: they are not counted by run"
    if problems:
        raise errors.Invalid(
            "; ".join(f"{field}: {problem}" for field, problem in problems.items()), fields=problems
        )
