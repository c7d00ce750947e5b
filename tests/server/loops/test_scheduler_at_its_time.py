"""R3, F35: scheduled runs are claimed at their time: never early, and at once. On the real clock."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from plans import HOURLY
from structures import registration

from headrace.core import schedules as core
from headrace.server import app
from headrace.server.loops import scheduler
from headrace.settings import Settings
from headrace.web import loops
from headrace.web.database import Database
from headrace.web.handlers import SYSTEM
from headrace.wire import agents, flows, operations, runs, schedules
from running import Portal

#: Runs that are claimed, one a second.
CLAIMS = 4


async def claims(url: str, home: Path) -> list[tuple[datetime, datetime]]:
    """When runs were due and when an agent that waits had them, with the scheduler at work."""
    database = Database.open(url)
    service = app.build(Settings(home=home), database, secret=b"a secret of the tests, long enough")
    working = asyncio.create_task(loops.run_all(service, [scheduler.loop]))

    async def call(operation: Any, request: Any) -> Any:
        return await service.call(operation, request, SYSTEM)

    try:
        await call(operations.create_project, flows.CreateProject(name="sales"))
        flow = await call(operations.register_flow, registration(schedules=[HOURLY]))
        offer = agents.RegisterAgent(name="one", instance="1", launches=["local"])
        agent = await call(operations.register_agent, offer)
        every = core.every(timedelta(seconds=1), start=datetime.now(UTC) + timedelta(seconds=2))
        await call(operations.create_schedule, schedules.CreateSchedule(flow_id=flow.flow_id, schedule=every))
        found: list[tuple[datetime, datetime]] = []
        for _ in range(CLAIMS):
            request = runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=20)
            held = (await call(operations.claim_flow_run, request)).assignment
            found.append((held.due_at, datetime.now(UTC)))
        return found
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        await database.close()


def test_r3_scheduled_runs_are_claimed_at_their_time_and_never_early(
    database_url: str, portal: Portal, tmp_path: Path
) -> None:
    found = portal.run(claims(database_url, tmp_path), 60)
    due = [moment for moment, _ in found]
    assert due == [due[0] + number * timedelta(seconds=1) for number in range(CLAIMS)]
    assert all(moment <= claimed for moment, claimed in found)
    assert min(claimed - moment for moment, claimed in found) < timedelta(seconds=1)
