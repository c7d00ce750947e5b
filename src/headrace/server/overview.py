"""The dashboard: is everything all right, what needs a look, what runs, what comes."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from headrace import errors
from headrace.server import agents, installation, projects, run_queries, tables
from headrace.server.service import handles
from headrace.web.handlers import Call
from headrace.wire import operations, overview, runs, schedules

_MOST_HOURS = 24 * 90
_MOST_BUCKETS = 200
_SHOWN = 12

_runs = tables.flow_runs
_flows = sa.select(sa.func.count()).select_from(tables.flows).where(tables.flows.c.archived_at.is_(None))
_projects = sa.select(sa.func.count()).select_from(tables.projects)


@handles(operations.read_overview)
def read_overview(call: Call[Any], request: overview.ReadOverview) -> overview.Overview:
    if not 1 <= request.hours <= _MOST_HOURS or not 1 <= request.buckets <= _MOST_BUCKETS:
        sentence = f"hours from 1 to {_MOST_HOURS}, buckets from 1 to {_MOST_BUCKETS}"
        raise errors.Invalid(sentence, fields={"hours": sentence})
    project = projects.find(call.connection, request.project) if request.project else None
    if request.project and project is None:
        raise errors.NotFound(f"there is no project {request.project!r}")
    since = call.now - timedelta(hours=request.hours)
    buckets = _buckets(call, request, project.id if project else None)

    def listed(**wanted: Any) -> list[runs.FlowRun]:
        asked = runs.ListFlowRuns(project=request.project, limit=_SHOWN, **wanted)
        return run_queries.list_flow_runs(call, asked).items

    return overview.Overview(
        buckets=buckets,
        states=dict(sum((Counter(bucket.states) for bucket in buckets), Counter[str]())),
        needs_a_look=[
            *listed(state=["Paused", "Late", "Unreachable"]),
            *run_queries.troubled(call, request.project, since, _SHOWN),
        ][:_SHOWN],
        running=listed(state=["Running", "Cancelling", "Submitted"]),
        upcoming=run_queries.upcoming(call, request.project, _SHOWN),
        settings=installation.read_settings(call, schedules.ReadSettings()),
        agents=dict(agents.healths(call)),
        flows=call.connection.execute(
            _flows.where(tables.flows.c.project_id == project.id) if project else _flows
        ).scalar_one(),
        projects=call.connection.execute(_projects).scalar_one(),
    )


def _buckets(call: Call[Any], request: overview.ReadOverview, project_id: Any) -> list[overview.Bucket]:
    """Each run once: where it ended, or, unfinished, where it was due. Counted by the database."""
    width = timedelta(hours=request.hours) / request.buckets
    start = call.now - timedelta(hours=request.hours)
    counts = [Counter[str]() for _ in range(request.buckets)]
    for moment, which in (
        (_runs.c.finished_at, _runs.c.finished_at.between(start, call.now)),
        (_runs.c.due_at, sa.and_(_runs.c.finished_at.is_(None), _runs.c.due_at <= call.now)),
    ):
        place = _place(call.connection, moment, start, width)
        query = (
            sa.select(_runs.c.state_type, place, sa.func.count())
            .where(which)
            .group_by(_runs.c.state_type, place)
        )
        if project_id:
            query = query.where(_runs.c.project_id == project_id)
        for state_type, at, count in call.connection.execute(query):
            counts[min(max(int(at), 0), request.buckets - 1)][state_type] += count
    return [
        overview.Bucket(starts_at=start + place * width, states=dict(count))
        for place, count in enumerate(counts)
    ]


def _place(
    connection: sa.Connection, moment: sa.Column[datetime], start: datetime, width: timedelta
) -> sa.ColumnElement[Any]:
    """The number of the bucket that a time falls into."""
    if connection.dialect.name == "sqlite":
        microseconds = sa.type_coerce(moment, sa.BigInteger)
        return (microseconds - (start - tables.EPOCH) // timedelta(microseconds=1)) // (
            width // timedelta(microseconds=1)
        )
    return sa.func.floor((sa.extract("epoch", moment) - start.timestamp()) / width.total_seconds())
