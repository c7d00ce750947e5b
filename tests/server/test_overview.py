"""The dashboard: what it shows, and that what it costs does not grow with what has been."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from lifecycles import NOUNS, Life

from headrace.core.states import StateType
from headrace.server import overview as server_overview
from headrace.wire import operations, overview, runs
from running import Server

#: Imported for their handlers.
ALL_NOUNS = (*NOUNS, server_overview)


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def shown(life: Life, **asked: Any) -> overview.Overview:
    return life.server.call(operations.read_overview, overview.ReadOverview(**asked))


def ended(life: Life, type_: StateType) -> runs.Assignment:
    held = life.running()
    life.finish(held, type_)
    return held


@contextmanager
def statements(server: Server) -> Generator[list[tuple[str, Any]]]:
    """Those that are sent to the database meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def sent(connection: sa.Connection, cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        found.append((text, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", sent)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", sent)


def test_what_ended_badly_in_the_period_needs_a_look_the_last_one_first(life: Life) -> None:
    early = ended(life, StateType.FAILED)
    life.server.clock.advance(timedelta(hours=30).total_seconds())
    slow = life.running()
    failed = ended(life, StateType.FAILED)
    ended(life, StateType.SUCCESS)
    life.server.clock.advance(1)
    life.finish(slow, StateType.FAILED)
    needs = [run.id for run in shown(life).needs_a_look]
    assert needs == [slow.flow_run_id, failed.flow_run_id]
    assert [run.id for run in shown(life, hours=48).needs_a_look][-1] == early.flow_run_id
    assert [run.id for run in shown(life, project="sales").needs_a_look] == needs


def test_each_run_is_counted_once_where_it_ended_or_was_due(life: Life) -> None:
    ended(life, StateType.SUCCESS)
    ended(life, StateType.FAILED)
    life.running()
    life.create(due_at=life.server.clock.now + timedelta(hours=1))
    for asked in ({}, {"project": "sales"}):
        found = shown(life, **asked)
        assert found.states == {"Success": 1, "Failed": 1, "Running": 1}
        assert [run.state.type for run in found.running] == [StateType.RUNNING]


def test_the_dashboard_counts_agents_without_asking_for_each(life: Life) -> None:
    with statements(life.server) as few:
        assert shown(life).agents == {"healthy": 1}
    for number in range(20):
        life.join(f"further-{number}")
    life.server.clock.advance(3600)
    life.join("fresh")
    with statements(life.server) as many:
        assert shown(life).agents == {"healthy": 1, "gone": 21}
    assert len(many) == len(few)


@pytest.mark.parametrize("project", [None, "sales"])
def test_no_statement_of_the_dashboard_looks_through_all_runs(
    sqlite_server: Server, project: str | None
) -> None:
    """On SQLite, whose planner is told what to expect: neither all runs nor all of a project."""
    life = Life(sqlite_server)
    with statements(sqlite_server) as found:
        shown(life, project=project)
    about_runs = [each for each in found if "flow_runs" in each[0]]
    assert about_runs

    def plans(call: Any) -> list[str]:
        raw = call.connection.connection.driver_connection
        return [
            str(step[3])
            for text, parameters in about_runs
            for step in raw.execute(f"EXPLAIN QUERY PLAN {text}", parameters)
        ]

    steps = [step for step in sqlite_server.read(plans) if re.search(r"\bflow_runs\b", step)]
    assert steps
    bad = [step for step in steps if step.startswith("SCAN") or "ix_flow_runs_project" in step]
    assert not bad
