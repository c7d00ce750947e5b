"""T19: 3,000 running runs with heartbeats, of 30 agents, for half an hour (`--long`; else a minute): is any lost, what does it cost?"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from headrace import Client
from headrace.wire import operations, overview, runs
from history import register
from measure import Row, Stack, cpu_seconds, pss_megabytes, report
from postgresql import Database, databases
from simulated import Agent, Crowd, Line, is_member, join, start, told_to_begin

PROCESSES = 2
#: In each process.
AGENTS = 15
_NUMBERS = [] if is_member() else [int(each) for each in sys.argv[1:] if each != "--long"]
SECONDS = 1800 if "--long" in sys.argv else _NUMBERS[0] if _NUMBERS else 60
RUNS = _NUMBERS[1] if len(_NUMBERS) > 1 else 3_000
#: The server's heartbeat, as it tells the agents.
EVERY = 5.0


class Running:
    """A run whose process does nothing but live."""

    def __init__(self, url: str, found: runs.Assignment) -> None:
        self.found, self.line = found, Line(url)
        self.client = Client(server_url=url, api_key=found.token)
        self.beats = 0

    async def live(self) -> None:
        """As the supervisor does."""
        request = runs.HeartbeatFlowRun(flow_run_id=self.found.flow_run_id, fence=self.found.fence)
        clock = asyncio.get_running_loop().time
        while True:
            sent = clock()
            answer = await self.line.call(self.client, operations.heartbeat_flow_run, request)
            assert answer.orders == runs.Orders(), answer
            self.beats += 1
            await asyncio.sleep(max(0.0, sent + EVERY - clock()))


async def begun(agent: Agent, asking: Line, flow_id: str, count: int, done: list[Running]) -> None:
    """Asks for so many runs, claims and starts each, and lets it live."""
    for _ in range(count):
        asked = runs.CreateFlowRun(flow_id=flow_id)  # type: ignore[arg-type] - it is written as text
        await asking.call(agent.client, operations.create_flow_run, asked)
        found = await agent.claim(30)
        assert found is not None, "as many are asked for as are claimed"
        running = Running(asking.url, found)
        await start(running.client, running.line, found)
        done.append(running)
        TASKS.append(asyncio.create_task(running.live()))


TASKS: list[asyncio.Task[None]] = []


async def crowd(*, number: int, url: str, key: str, flow_id: str, count: int, seconds: float) -> Any:
    """How many heartbeats were answered meanwhile."""
    client = Client(server_url=url, api_key=key)
    agents = [Agent(client, f"agent-{number}-{place}") for place in range(AGENTS)]
    held: list[list[Running]] = [[] for _ in agents]

    async def beats(agent: Agent, own: list[Running]) -> None:
        seconds = await agent.beat()
        while True:
            await asyncio.sleep(seconds)
            seconds = await agent.beat([running.found for running in own])

    for agent in agents:
        await agent.register()
    TASKS.extend(asyncio.create_task(beats(agent, own)) for agent, own in zip(agents, held, strict=True))
    each = count // AGENTS
    await asyncio.gather(
        *(begun(agent, Line(url), flow_id, each, own) for agent, own in zip(agents, held, strict=True))
    )
    await told_to_begin()
    before = sum(running.beats for own in held for running in own)
    done, _ = await asyncio.wait(TASKS, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    return sum(running.beats for own in held for running in own) - before


def states(client: Client) -> dict[str, int]:
    """How many of the runs are in which state; Unreachable ones beside."""
    counts = dict(client.call(operations.read_overview, overview.ReadOverview(hours=24, buckets=1)).states)
    unreachable = runs.ListFlowRuns(state=["Unreachable"], limit=1)
    if client.call(operations.list_flow_runs, unreachable).items:
        counts["Unreachable"] = 1
    return counts


def measured(database: Database) -> None:
    with Stack(agent=False, database_url=database.url) as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("project-0")
        given = {"url": stack.url, "key": stack.key, "flow_id": register(client, 0)}
        with Crowd(Path(__file__), PROCESSES, **given, count=RUNS // PROCESSES, seconds=SECONDS) as many:
            many.ready()
            used = cpu_seconds(stack.server), cpu_seconds(database.process) if database.process else 0.0
            began = time.perf_counter()
            many.begin()
            seen: set[str] = set()
            while time.perf_counter() - began < SECONDS - 2:
                seen |= states(client).keys()
                time.sleep(min(10, SECONDS / 6))
            seconds = time.perf_counter() - began
            share = (cpu_seconds(stack.server) - used[0]) / seconds
            beside = (cpu_seconds(database.process) - used[1]) / seconds if database.process else 0.0
            memory = pss_megabytes(stack.server)
            beats = sum(many.found())
            counts = states(client)
    lost = RUNS - counts.get("Running", 0)
    what = f"{RUNS:,} running runs with heartbeats, {SECONDS} s, {database.name}"
    own = f", {database.name}'s own beside it: {100 * beside:.0f} %" if database.process else ""
    report(
        Row("T19", f"{what}: CPU of a core", "%", [100 * share], 50, None,
            notes=f"({beats / SECONDS:.0f} heartbeats/s, {1e6 * share * SECONDS / beats:.0f} µs each{own})"),
        Row("T19", f"{what}: lost or unreachable at any time", "runs", [float(lost + len(seen - {'Running'}))], 0, None,
            notes="" if seen == {"Running"} else f"(seen: {', '.join(sorted(seen))})"),
        Row("T19", f"{what}: memory of the server (PSS)", "MB", [memory]),
    )  # fmt: skip


if __name__ == "__main__":
    if is_member():
        join(crowd)
    else:
        with databases() as found:
            for each in found:
                measured(each)
