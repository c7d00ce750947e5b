"""T13: 50 schedules due in one second: how late the first line of user code is, for all of them, and how late the claims.

One real agent on two cores launches what it claims before it claims again: its later claims wait for the starts of the
earlier runs, which is as it should be, for there is nothing to start them with. How late the server is with its claims is
seen where somebody waits for each: as many simulated agents, each with one claim that is held.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from flows_under_test import latency
from headrace import Client, dates
from headrace.wire import operations, runs
from history import register
from measure import Row, Stack, report, until
from postgresql import Database, databases
from simulated import Agent, Crowd, Line, is_member, join, told_to_begin

SCHEDULES = int(sys.argv[1]) if len(sys.argv) > 1 and not is_member() else 50
ROUNDS = 3
#: So long before they are due the schedules are made.
AHEAD = timedelta(seconds=20)


def once(client: Client, flow_id: object, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of lateness of each run's first line, and milliseconds of each claim."""
    due = (datetime.now(UTC) + AHEAD).replace(microsecond=0)
    paths = [folder / f"{due:%H%M%S}-{number}" for number in range(SCHEDULES)]
    made = [client.schedules.create(flow_id, dates([due], parameters={"path": str(path)})) for path in paths]
    assert datetime.now(UTC) < due, "the schedules were not made in time"
    until(lambda: all(path.exists() and path.read_text() for path in paths), "all have run", 120)
    late = [float(path.read_text()) - due.timestamp() for path in paths]
    assert min(late) >= 0, f"one ran {-min(late)} s early"
    ours = {schedule.id for schedule in made}
    found = [run for run in client.list_flow_runs(since=due - AHEAD) if run.schedule_id in ours]
    assert len(found) == SCHEDULES, len(found)
    claims = [1000 * (claimed(client, run.id) - due.timestamp()) for run in found]
    for run in found:
        assert client.wait_for(run.id, 60).state.is_success
    return late, claims


async def crowd(*, number: int, url: str, key: str, count: int, rounds: int) -> None:
    """Agents that are idle: each has a claim held, and takes one run in each round, which it gives back at its end."""
    client = Client(server_url=url, api_key=key)
    idle = [Agent(client, f"idle-{place}") for place in range(count)]
    for agent in idle:
        await agent.register()
    await told_to_begin()

    async def take(agent: Agent) -> None:
        for _ in range(rounds):
            while (found := await agent.claim(30)) is None:
                pass
            line = Line(url)
            await asyncio.sleep(2)  # until all are claimed, nothing else is asked of the server
            failed = runs.ReportExit(flow_run_id=found.flow_run_id, fence=found.fence, launched=False)
            await line.call(client, operations.report_exit, failed)
            line.close()

    await asyncio.gather(*(take(agent) for agent in idle))


def handed_out(database: Database) -> list[float]:
    """Milliseconds of lateness of each claim, where an idle agent waits for each run."""
    found: list[float] = []
    with Stack(agent=False, database_url=database.url) as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("project-0")
        flow_id = UUID(register(client, 0))
        given = {"url": stack.url, "key": stack.key, "count": SCHEDULES, "rounds": ROUNDS}
        with Crowd(Path(__file__), 1, **given) as many:
            many.ready()
            many.begin()
            for _ in range(ROUNDS):
                due = (datetime.now(UTC) + AHEAD).replace(microsecond=0)
                for _ in range(SCHEDULES):
                    client.schedules.create(flow_id, dates([due]))
                assert datetime.now(UTC) < due, "the schedules were not made in time"
                time.sleep((due - datetime.now(UTC)).total_seconds() + 1)
                made = list(client.list_flow_runs(since=due - AHEAD))
                assert len(made) == SCHEDULES, len(made)
                found += [1000 * (claimed(client, run.id) - due.timestamp()) for run in made]
                time.sleep(4)
            many.found()
    return found


def claimed(client: Client, run_id: object) -> float:
    """When the run was claimed, in the server's time."""
    events = client.call(operations.list_run_events, runs.FlowRunRef(flow_run_id=run_id)).items
    return next(event.at.timestamp() for event in events if event.state.type == "Submitted")


def measured(database: Database) -> tuple[list[float], list[float]]:
    with Stack(database_url=database.url) as stack, tempfile.TemporaryDirectory() as made:
        client, folder = Client(server_url=stack.url, api_key=stack.key), Path(made)
        client.create_project("bench")
        registered = latency.register(project="bench")
        first = client.create_flow_run(
            project="bench", flow="latency", parameters={"path": str(folder / "0")}
        )
        client.wait_for(first.id)
        late: list[float] = []
        claims: list[float] = []
        for _ in range(ROUNDS):
            seconds, milliseconds = once(client, registered.flow_id, folder)
            late += seconds
            claims += milliseconds
            time.sleep(1)
        return late, claims


def main() -> None:
    with databases() as found:
        for database in found:
            late, claims = measured(database)
            what = f"{SCHEDULES} schedules due in one second, {database.name}"
            whole = Row(
                "T13", f"{what}: lateness of the first line of user code", "s", late, 4, 2.5, at_p95=True
            )
            whole.notes = "none early, none lost"
            idle = Row(
                "T13", f"{what}: lateness of a claim, an idle agent for each", "ms", handed_out(database)
            )
            idle.must, idle.at_p95 = 100, True
            report(whole, idle, Row("T13", f"{what}: lateness of a claim, one agent for all", "ms", claims))


if __name__ == "__main__":
    if is_member():
        join(crowd)
    else:
        main()
