"""Why a run that is not running waits: the first obstacle in its way, as one sentence and one code."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core import labels, reasons
from headrace.core.states import Reason, StateType
from headrace.server import agents, dispatch, moves, tables
from headrace.server.queues import Queue
from headrace.web.handlers import Call

_limits = tables.limits
_slots = tables.slots

#: How many holders of a limit a sentence names.
NAMED = 3

_limit = (
    sa.select(_limits, tables.flows.c.name.label("flow"), tables.projects.c.name.label("project"))
    .outerjoin(tables.flows, tables.flows.c.id == _limits.c.flow_id)
    .outerjoin(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
    .where(_limits.c.id == sa.bindparam("id"))
)
_holders = (
    sa.select(tables.flow_runs.c.name, sa.func.count().over().label("held"))
    .where(
        tables.flow_runs.c.id.in_(sa.select(_slots.c.run_id).where(_slots.c.limit_id == sa.bindparam("id")))
    )
    .order_by(tables.flow_runs.c.state_at, tables.flow_runs.c.id)
    .limit(NAMED)
)


class Reasons:
    """The reasons of one page of runs. Agents and limits are read once for all, and only where a run waits for them."""

    def __init__(self, call: Call[Any]) -> None:
        self._call = call
        self._offers: list[labels.Offer] | None = None
        self._limits: dict[UUID, Reason | None] = {}

    def of(self, row: Any) -> Reason | None:
        """Why the run in a row of run_queries waits; None where it does not."""
        match StateType(row.state_type):
            case StateType.SCHEDULED:
                return self._before_its_claim(row)
            case StateType.SUBMITTED:
                agent = row.agent or "(removed)"
                slow = row.state_name != "Submitted"
                step = (slow and row.state_message.rstrip(".")) or row.state_name
                return reasons.because("launching", agent=agent, step=step)
            case StateType.PAUSED:
                if row.state_code == "held":
                    return reasons.because("held", who=row.pause_wish["by"])
                return reasons.because("paused")
            case StateType.CANCELLING:
                return reasons.because("cancelling")
            case _:
                return None

    def _before_its_claim(self, row: Any) -> Reason:
        if row.everything_paused:
            return reasons.because("everything_paused")
        if row.paused:
            return reasons.because("flow_paused", flow=row.flow)
        if row.archived_at is not None:
            return reasons.because("flow_archived", flow=row.flow)
        if row.not_before > self._call.now:
            code = "awaiting_retry" if row.state_name == "AwaitingRetry" else "not_due"
            return reasons.because(code, at=f"{row.not_before:%Y-%m-%d %H:%M:%S} UTC")
        if row.waits_for is not None:
            if row.waits_for not in self._limits:
                self._limits[row.waits_for] = self._full(row.waits_for)
            if (reason := self._limits[row.waits_for]) is not None:
                return reason
        queue = Queue(row.queue_id, frozenset(row.labels), row.run_config["kind"])
        if self._call.service.part(dispatch.Dispatch).expects(queue):
            return reasons.because("starting")
        if self._offers is None:
            self._offers = _offers(self._call)
        return _for_agent(row, self._offers)

    def _full(self, limit_id: UUID) -> Reason | None:
        connection = self._call.connection
        limit = connection.execute(_limit, {"id": limit_id}).one_or_none()
        if limit is None:
            return None
        what = f"{limit.kind} {f'{limit.project}/{limit.flow}' if limit.flow_id else limit.what}"
        if not limit.size:
            return reasons.because("limit_stopped", limit=what)
        holders = connection.execute(_holders, {"id": limit_id}).all()
        count: int = holders[0].held if holders else 0
        names = ", ".join(holder.name for holder in holders)
        more = f" and {count - NAMED} more" if count > NAMED else ""
        held = f"held by {names}{more}" if holders else "a slot has just become free"
        return reasons.because("limit_full", limit=what, size=limit.size, holders=held)


class _Candidate(labels.Offer, frozen=True):
    draining: bool = False
    late: bool = False


def _offers(call: Call[Any]) -> list[labels.Offer]:
    timing = moves.leasing(call).timing
    rows = agents.alive(call.connection, call.now, moves.leasing(call))
    fresh = call.now - 2 * timing.heartbeat
    return [
        _Candidate(
            row.name,
            row.labels,
            row.takes_unlabelled,
            row.launches,
            row.draining,
            row.last_contact_at <= fresh,
        )
        for row in rows
    ]


def _for_agent(row: Any, offers: Sequence[labels.Offer]) -> Reason:
    kind = row.run_config["kind"]
    if (reason := labels.explain(row.labels, kind, offers)) is not None:
        return reason
    able = [
        offer
        for offer in offers
        if kind in offer.launches
        and labels.matches(row.labels, offer.labels, takes_unlabelled=offer.takes_unlabelled)
        and isinstance(offer, _Candidate)
    ]
    names = ", ".join(sorted(offer.name for offer in able))
    if all(offer.draining for offer in able):
        return reasons.because("agents_draining", agents=names)
    if all(offer.late or offer.draining for offer in able):
        return reasons.because("agents_late", agents=names)
    return reasons.because("agents_busy", agents=names)
