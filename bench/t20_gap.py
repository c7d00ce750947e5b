"""T20: 10,000 schedules of five minutes after a gap of 24 hours: their catch-up runs are made, one each, and the next ones.

The server's own scheduler and store, in this process, for the gap is made by its clock.
"""

import asyncio
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from headrace.core import schedules as core_schedules
from headrace.server import app, flow_schedules, migrations, tables
from headrace.server.loops import scheduler
from headrace.settings import Settings
from headrace.web.database import Database
from headrace.web.handlers import SYSTEM, Call
from headrace.web.service import Service
from headrace.wire import flows, operations, storage
from measure import Row, report
from postgresql import Database as Where
from postgresql import databases

SCHEDULES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
FLOWS = 100
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
GAP = timedelta(hours=24)
DIGEST = "0" * 64


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


async def flow(service: Service, number: int) -> flows.Registered:
    structure = flows.Structure(
        name=f"flow-{number}",
        project="bench",
        tasks=[flows.TaskSpec(slug="work", name="work")],
        edges=[],
        structure_sha256=DIGEST,
        code_sha256=DIGEST,
        content_sha256=DIGEST,
    )
    kept = storage.ModuleStorage(module="shop", attribute="daily")
    request = flows.RegisterFlow(structure=structure, storage=kept)
    return await service.call(operations.register_flow, request, SYSTEM)


async def prepare(service: Service) -> None:
    """Schedules whose ticks are spread over the five minutes, each with its next ten runs."""
    await service.call(operations.create_project, flows.CreateProject(name="bench"), SYSTEM)
    chance = random.Random(20)
    for number in range(FLOWS):
        registered = await flow(service, number)

        def add(call: Call[Service], registered: flows.Registered = registered) -> None:
            for place in range(SCHEDULES // FLOWS):
                start = START - timedelta(seconds=chance.randrange(300))
                wanted = core_schedules.every(timedelta(minutes=5), start=start, catch_up="latest")
                flow_schedules.insert(call, registered.flow_id, f"{place}", "people", wanted)
            flow_schedules.renew(call, registered.flow_id)

        await service.write(add)
    await scheduler.run_once(service)


async def once(where: Where, folder: Path) -> tuple[float, float]:
    """Seconds until all was caught up with and may be claimed, and until the next ten of each are ahead."""
    clock = Clock()
    database = Database.open(where.url or f"sqlite:///{folder / 'headrace.db'}", clock=clock)
    await database.start()
    await migrations.prepare(database)
    service = app.build(Settings(home=folder), database, secret=b"measurements need a secret, too")
    await prepare(service)
    clock.now = START + GAP
    began = time.perf_counter()
    await scheduler._settle(service, await service.read(scheduler._look))
    settled = time.perf_counter() - began
    await scheduler.run_once(service)
    whole = time.perf_counter() - began
    query = sa.select(tables.flow_runs.c.schedule_id, tables.flow_runs.c.tick, tables.flow_runs.c.due_at)
    rows = await service.read(lambda call: call.connection.execute(query).all())
    due = [row for row in rows if row.due_at <= clock.now]
    assert len(due) == len({row.schedule_id for row in due}) == SCHEDULES, len(due)
    assert len({(row.schedule_id, row.tick) for row in rows}) == len(rows)
    assert len(rows) == 11 * SCHEDULES, len(rows)
    await database.close()
    return settled, whole


def main() -> None:
    with databases() as found:
        for where in found:
            with tempfile.TemporaryDirectory() as folder:
                settled, whole = asyncio.run(once(where, Path(folder)))
            what = (
                f"{SCHEDULES} schedules after a gap of 24 h, `latest`, all catch-up runs made, {where.name}"
            )
            report(
                Row("T20", what, "s", [settled], 30, 10, notes="none twice"),
                Row("T20", f"the same, and the next ten of each ahead, {where.name}", "s", [whole]),
            )


if __name__ == "__main__":
    main()
