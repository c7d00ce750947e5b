"""T17: complete run lifecycles per second, durable: asked for, claimed, started, its tasks' states written, finished.

The agents and run processes are simulated and launch nothing; every step is a request to the server's API and is on
disk before it is answered. Asking for the run counts, too: what is measured begins with no run at all.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace import Client
from headrace.core.states import StateType
from headrace.wire import operations, overview, runs
from history import register
from measure import Row, Stack, cpu_seconds, report
from postgresql import Database, databases
from simulated import Agent, Crowd, Line, is_member, join, start, told_to_begin

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 and not is_member() else 10
ROUNDS = 3
PROCESSES = 2
#: In each process: they ask for a run each, claim one each, and carry it out.
AGENTS = 8
TASKS = 5


def events() -> list[runs.TaskEvent]:
    """What a run process reports of its tasks, in one batch: for each that it runs and that it has succeeded."""
    now = datetime.now(UTC)
    return [
        runs.TaskEvent(slug=f"task-{number}", map_index=-1, type=type_, name=str(type_), at=now)
        for number in range(TASKS)
        for type_ in (StateType.RUNNING, StateType.SUCCESS)
    ]


async def lifecycle(agent: Agent, asking: Line, working: Line, flow_id: str) -> None:
    asked = runs.CreateFlowRun(flow_id=flow_id)  # type: ignore[arg-type] - it is written as text
    await asking.call(agent.client, operations.create_flow_run, asked)
    found = await agent.claim(30)
    assert found is not None, "as many are asked for as are claimed"
    run = Client(server_url=agent.client.server_url, api_key=found.token)
    await start(run, working, found)
    wrote = runs.WriteTaskEvents(flow_run_id=found.flow_run_id, fence=found.fence, seq=0, events=events())
    await working.call(run, operations.write_task_events, wrote)
    end = runs.FinishFlowRun(
        flow_run_id=found.flow_run_id, fence=found.fence, type=StateType.SUCCESS, name="Success"
    )
    await working.call(run, operations.finish_flow_run, end)


async def crowd(*, number: int, url: str, key: str, flow_id: str, rounds: int, seconds: float) -> list[Any]:
    """How many lifecycles in each round, and in how many seconds."""
    client = Client(server_url=url, api_key=key)
    agents = [Agent(client, f"agent-{number}-{place}") for place in range(AGENTS)]
    lines = [(Line(url), Line(url)) for _ in agents]
    for agent in agents:
        await agent.register()
    await told_to_begin()
    found: list[Any] = []
    for _ in range(rounds):
        until, began = time.perf_counter() + seconds, time.perf_counter()

        async def work(agent: Agent, asking: Line, working: Line, until: float = until) -> int:
            done = 0
            while time.perf_counter() < until:
                await lifecycle(agent, asking, working, flow_id)
                done += 1
            return done

        counts = await asyncio.gather(
            *(work(agent, *pair) for agent, pair in zip(agents, lines, strict=True))
        )
        found.append([sum(counts), time.perf_counter() - began])
    return found


def measured(database: Database) -> None:
    with Stack(agent=False, database_url=database.url) as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("project-0")
        flow_id = register(client, 0)
        given = {"url": stack.url, "key": stack.key, "flow_id": flow_id, "seconds": SECONDS, "rounds": ROUNDS}
        with Crowd(Path(__file__), PROCESSES, **given) as many:
            many.ready()
            before = cpu_seconds(stack.server), cpu_seconds(database.process) if database.process else 0.0
            many.begin()
            said = many.found()
            used = cpu_seconds(stack.server) - before[0]
            beside = cpu_seconds(database.process) - before[1] if database.process else 0.0
        rates = [sum(each[at][0] / each[at][1] for each in said) for at in range(ROUNDS)]
        total = sum(count for each in said for count, _ in each)
        finished = client.call(operations.read_overview, overview.ReadOverview(hours=1, buckets=1)).states
        assert finished == {"Success": total}, (finished, total)
    own = f"; {database.name}'s own beside it: {1000 * beside / total:.1f} ms" if database.process else ""
    report(
        Row("T17", f"complete run lifecycles with {TASKS} tasks each, {PROCESSES * AGENTS} agents, {database.name}", "1/s",
            rates, 100, 200, more_is_better=True, notes=f"(5 requests each{own})"),
        Row("T17", f"the same, CPU of the server for one, {database.name}", "ms", [1000 * used / total]),
    )  # fmt: skip


if __name__ == "__main__":
    if is_member():
        join(crowd)
    else:
        with databases() as found:
            for each in found:
                measured(each)
