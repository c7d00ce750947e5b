"""T18: 1,000 idle agents on long poll, each with its signs of life: the server's memory and CPU."""

import asyncio
import sys
import time
from pathlib import Path

from headrace import Client
from measure import Row, Stack, cpu_seconds, pss_megabytes, report
from postgresql import Database, databases
from simulated import Agent, Crowd, is_member, join, told_to_begin

AGENTS = int(sys.argv[1]) if len(sys.argv) > 1 and not is_member() else 1_000
#: How long a claim is held, as the real agent asks for it, and how long all are watched.
CLAIM_SECONDS = 30
WATCH = 35


async def idle(agent: Agent) -> None:
    """As the real one: a claim is always held, and beside it the agent shows that it lives."""

    async def claims() -> None:
        while True:
            assert await agent.claim(CLAIM_SECONDS) is None

    async def beats() -> None:
        seconds = await agent.beat()
        while True:
            await asyncio.sleep(seconds)
            seconds = await agent.beat()

    await asyncio.gather(claims(), beats())


async def crowd(*, number: int, url: str, key: str, count: int, seconds: float) -> None:
    client = Client(server_url=url, api_key=key)
    agents = [Agent(client, f"agent-{number}-{place}") for place in range(count)]
    for agent in agents:
        await agent.register()

    async def later(agent: Agent, place: int) -> None:
        """They were not started all at once."""
        await asyncio.sleep(5 * place / count)
        await idle(agent)

    working = [asyncio.create_task(later(agent, place)) for place, agent in enumerate(agents)]
    await asyncio.sleep(10)
    await told_to_begin()
    done, _ = await asyncio.wait(working, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


def measured(database: Database) -> None:
    with Stack(agent=False, database_url=database.url) as stack:
        before = pss_megabytes(stack.server)
        given = {"url": stack.url, "key": stack.key, "count": AGENTS, "seconds": WATCH}
        with Crowd(Path(__file__), 1, **given) as many:
            many.ready()
            memory: list[float] = []
            used, began = cpu_seconds(stack.server), time.perf_counter()
            many.begin()
            while time.perf_counter() - began < WATCH - 5:
                memory.append(pss_megabytes(stack.server))
                time.sleep(5)
            share = (cpu_seconds(stack.server) - used) / (time.perf_counter() - began)
            many.found()
    what = f"{AGENTS:,} idle agents on long poll, {database.name}"
    report(
        Row("T18", f"{what}: memory of the server (PSS)", "MB", [max(memory)], 150, 110, notes=f"(before: {before:.0f})"),
        Row("T18", f"{what}: CPU of a core", "%", [100 * share]),
    )  # fmt: skip


if __name__ == "__main__":
    if is_member():
        join(crowd)
    else:
        with databases() as found:
            for each in found:
                measured(each)
