"""What an operator watches, for `/metrics`: the runs, the agents that wait, and what is still to be told.

What only the database knows is looked up by its indexes, and seldom; what this server does itself it counts as it goes.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from headrace.core import states
from headrace.server import agents, dispatch, lateness, moves, tables, tallies
from headrace.server.service import Service
from headrace.web.figures import Figure, single
from headrace.web.handlers import Call

_runs = tables.flow_runs
_rows = tables.deliveries

#: In the order in which people know them.
_UNFINISHED = [kind.value for kind in states.StateType if kind in states.UNFINISHED]
_HEALTHS = ("healthy", "late", "gone")

_unfinished = (
    sa.select(_runs.c.state_type, sa.func.count())
    .where(_runs.c.state_type.in_(_UNFINISHED))
    .group_by(_runs.c.state_type)
)
_parked = sa.select(sa.func.count()).where(_runs.c.waits_for.is_not(None))
# a run that holds user code has a lease: the index over those that are held leads to the few that are over
_unreachable = sa.select(sa.func.count()).where(
    _runs.c.lease_until <= sa.bindparam("moment"), _runs.c.state_type.in_(("Running", "Cancelling"))
)
# not before its time is it late: so the index over what is due leads to it
_due = (
    sa.select(sa.func.count())
    .join_from(_runs, tables.flows, tables.flows.c.id == _runs.c.flow_id)
    .where(_runs.c.due_at <= sa.bindparam("moment"))
)
_untold = sa.select(sa.func.count(), sa.func.min(_rows.c.created_at)).where(_rows.c.state == "waiting")


async def read(service: Service) -> Sequence[Figure]:
    """All of them."""
    return [*await service.read(_looked_up), *_counted(service)]


def _counted(service: Service) -> list[Figure]:
    tally = service.part(tallies.Tally)
    ended = {(kind.value,): tally.ended[kind.value] for kind in states.StateType if kind.is_finished}
    return [
        Figure("headrace_runs_ended", "Runs that ended, by state.", ended, ("state",), counts=True),
        single("headrace_run_wait_seconds", "From a run's time to the agent that takes it.", tally.waited),
        single(
            "headrace_claims_held",
            "Agents that wait here for a run.",
            service.part(dispatch.Dispatch).waiting,
        ),
    ]


def _looked_up(call: Call[Any]) -> list[Figure]:
    connection = call.connection
    found = {row[0]: row[1] for row in connection.execute(_unfinished)}
    waiting, oldest = connection.execute(_untold).one()
    age = 0.0 if oldest is None else max((call.now - oldest).total_seconds(), 0.0)
    healths = agents.healths(call)
    late = connection.execute(_due.where(lateness.condition(call)), {"moment": call.now}).scalar_one()
    amnesty = moves.leasing(call).amnesty_until
    trusted = amnesty is None or call.now >= amnesty
    unreachable = connection.execute(_unreachable, {"moment": call.now}).scalar_one() if trusted else 0
    return [
        Figure(
            "headrace_runs",
            "Runs that have not ended, by state.",
            {(state,): found.get(state, 0) for state in _UNFINISHED},
            ("state",),
        ),
        single("headrace_runs_late", "Runs that are due and were taken by nobody for too long.", late),
        single("headrace_runs_unreachable", "Runs of whose processes nothing is heard.", unreachable),
        single(
            "headrace_runs_held_back",
            "Runs that wait for a limit's slot, or for a paused flow.",
            connection.execute(_parked).scalar_one(),
        ),
        Figure(
            "headrace_agents",
            "Agents by health.",
            {(health,): healths.get(health, 0) for health in _HEALTHS},
            ("health",),
        ),
        single("headrace_outbox_waiting", "Notifications that are still to be sent.", waiting),
        single("headrace_outbox_oldest_seconds", "How long the oldest of them has waited.", age),
    ]
