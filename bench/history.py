"""What years of work leave in a database: finished runs, their events and task runs, on all indexes, as seen by nobody yet.

Filled from beside the server, while none runs, by the database itself: each row is made from one of a few real runs that
were asked for over the API, so that whatever columns there are have plausible values.
"""

import asyncio
import contextlib
import random
import sqlite3
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from headrace import Client
from headrace.server import tables
from headrace.wire import agents, flows, operations, runs, storage
from measure import Stack
from postgresql import Database

FLOWS = 100
PROJECTS = 4
AGENTS = 10
#: Over so long the runs are spread.
SPAN = timedelta(days=365)
DIGEST = "0" * 64
#: Of a hundred finished runs.
SUCCESSES, FAILURES, CRASHES = 90, 7, 1
#: This flow has one run in so many, and this one has never failed: what an index that fits only half way finds late.
RARE, RARE_FLOW, FAULTLESS_FLOW = 50, 0, 1


@dataclass
class History:
    """What was filled in. `flow_ids` are in the order of the flows' numbers."""

    database: Database
    home: Path
    seed: int
    runs: int = 0
    flow_ids: list[str] = field(default_factory=list[str])

    @classmethod
    def begun(cls, database: Database, home: Path, seed: int) -> "History":
        """Flows, agents and one run of each flow, over the API of a server that runs for that."""
        made = cls(database, home, seed)
        with Stack(agent=False, database_url=database.url, home=home) as stack:
            client = Client(server_url=stack.url, api_key=stack.key)
            for number in range(PROJECTS):
                client.create_project(f"project-{number}")
            for number in range(AGENTS):
                name = f"past-{number}"
                client.call(
                    operations.register_agent,
                    agents.RegisterAgent(name=name, instance=name, launches=["local"]),
                )
            made.flow_ids = [register(client, number) for number in range(FLOWS)]
            for flow_id in made.flow_ids:
                asked = datetime.now(UTC) + timedelta(days=3650)
                client.call(
                    operations.create_flow_run,
                    runs.CreateFlowRun(flow_id=UUID(flow_id), labels=["nobody"], due_at=asked),
                )
        made._execute(
            "CREATE TABLE templates AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, * FROM flow_runs",
            "CREATE UNIQUE INDEX ix_templates ON templates (place)",
            "CREATE TABLE hands AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, name FROM agents",
            "CREATE UNIQUE INDEX ix_hands ON hands (place)",
            "DELETE FROM run_events",
            "DELETE FROM flow_runs",
        )
        return made

    def grow(self, runs: int) -> float:
        """Up to so many runs, all finished; those that come are newer than those that are there. Seconds that it took."""
        began = time.perf_counter()
        dialect = self._dialect
        beginning = int((datetime.now(UTC) - SPAN - timedelta(hours=1)).timestamp() * 1000)
        step = int(SPAN.total_seconds() * 1000) // 1_000_000
        moment = f"({beginning} + n * {step})"
        state = (
            f"CASE WHEN {_chance(self.seed, 100)} < {SUCCESSES} OR t.place = {FAULTLESS_FLOW} THEN 'Success'"
            f" WHEN {_chance(self.seed, 100)} < {SUCCESSES + FAILURES} THEN 'Failed'"
            f" WHEN {_chance(self.seed, 100)} < {SUCCESSES + FAILURES + CRASHES} THEN 'Crashed' ELSE 'Cancelled' END"
        )
        lasted = f"(1000 + {_chance(self.seed + 1, 600_000)})"
        values = {
            "id": dialect.run_id(moment),
            "name": "'run-' || n",
            "state_type": state,
            "state_name": state,
            "state_at": dialect.instant(f"{moment} + {lasted}"),
            "version": "3",
            "fence": "1",
            "attempt": "1",
            "due_at": dialect.instant(moment),
            "not_before": dialect.instant(moment),
            "created_at": dialect.instant(moment),
            "started_at": dialect.instant(f"{moment} + 40"),
            "finished_at": dialect.instant(f"{moment} + {lasted}"),
            "last_contact_at": dialect.instant(f"{moment} + {lasted}"),
            "agent_id": "h.id",
            "host": "h.name",
            "pid": "4711",
            "task_states": """'{"Success":100}'""",
        }
        columns = [column.name for column in tables.flow_runs.c]
        chosen = ", ".join(values.get(name, f"t.{name}") for name in columns)
        place = (
            f"CASE WHEN {_chance(self.seed + 2, RARE * FLOWS)} = 0 THEN {RARE_FLOW}"
            f" ELSE 1 + {_chance(self.seed + 3, FLOWS - 1)} END"
        )
        self._execute(
            f"WITH RECURSIVE series(n) AS (SELECT {dialect.whole(self.runs)} UNION ALL"
            f" SELECT n + 1 FROM series WHERE n < {runs - 1})"
            f" INSERT INTO flow_runs ({', '.join(columns)}) SELECT {chosen} FROM series"
            f" JOIN templates t ON t.place = {place} JOIN hands h ON h.place = {_chance(self.seed + 4, AGENTS)}"
        )
        self.runs = runs
        return time.perf_counter() - began

    def work_off(self, tasks: int) -> float:
        """Gives each run its events, and so many task runs with two states each. Seconds that it took."""
        began = time.perf_counter()
        events = {
            "flow_run_id": "r.id",
            "seq": "s.seq",
            "kind": "'move'",
            "from_type": "s.before",
            "state_type": "s.after",
            "state_name": "s.after",
            "state_message": "''",
            "actor_kind": "'user'",
            "actor_name": "'bench'",
            "fence": "r.fence",
            "at": "r.state_at",
        }
        task = {
            "flow_run_id": "r.id",
            "slug": "s.slug",
            "map_index": "-1",
            "fence": "1",
            "state_type": "'Success'",
            "state_name": "'Success'",
            "state_message": "''",
            "state_at": "r.finished_at",
            "attempt": "1",
            "started_at": "r.started_at",
            "finished_at": "r.finished_at",
        }
        states = {
            "flow_run_id": "r.id",
            "fence": "1",
            "seq": "s.seq",
            "slug": "s.slug",
            "map_index": "-1",
            "state_type": "s.state",
            "state_name": "s.state",
            "state_message": "''",
            "at": "r.started_at",
            "attempt": "1",
        }
        moves = [(None, "Scheduled"), ("Scheduled", "Submitted"), ("Submitted", "Running"), ("Running", None)]
        moved = " UNION ALL ".join(
            f"SELECT {seq} AS seq, {_text(before)} AS before, {_text(after)} AS after"
            for seq, (before, after) in enumerate(moves)
        )
        done = [(f"task-{number:03}", state) for number in range(tasks) for state in ("Running", "Success")]
        slugs = ", ".join(f"('task-{number:03}')" for number in range(tasks))
        stated = ", ".join(f"({seq}, '{slug}', '{state}')" for seq, (slug, state) in enumerate(done))
        events |= {
            "state_type": "coalesce(s.after, r.state_type)",
            "state_name": "coalesce(s.after, r.state_type)",
        }
        order = "ORDER BY r.id" if self.database.url else ""
        self._execute(
            _copied("run_events", events, f"flow_runs r CROSS JOIN ({moved}) s {order}"),
            f"CREATE TEMP TABLE slugs AS SELECT column1 AS slug FROM (VALUES {slugs}) AS v",
            f"CREATE TEMP TABLE stated AS SELECT column1 AS seq, column2 AS slug, column3 AS state FROM (VALUES {stated}) AS v",
            _copied("task_runs", task, "flow_runs r CROSS JOIN slugs s"),
            _copied("task_run_states", states, "flow_runs r CROSS JOIN stated s"),
        )
        return time.perf_counter() - began

    def settled(self) -> None:
        """What the database does by itself in the course of such a life, and a server at its end: statistics."""
        if self.database.url:
            self._execute("VACUUM ANALYZE", together=False)
        else:
            self._execute("PRAGMA analysis_limit=400", "PRAGMA optimize", together=False)

    @property
    def size(self) -> float:
        """Gigabytes."""
        if not self.database.url:
            return (self.home / "server" / "headrace.db").stat().st_size / 1e9
        return self._asked("SELECT pg_database_size(current_database())") / 1e9

    def _execute(self, *statements: str, together: bool = True) -> None:
        self._dialect.execute(statements, together=together)

    def _asked(self, query: str) -> float:
        return asyncio.run(_postgres_value(self.database.url, query))

    @property
    def _dialect(self) -> "_Sqlite | _Postgres":
        return (
            _Postgres(self.database.url)
            if self.database.url
            else _Sqlite(self.home / "server" / "headrace.db")
        )


@dataclass
class _Sqlite:
    path: Path

    @staticmethod
    def whole(number: int) -> str:
        return str(number)

    @staticmethod
    def instant(milliseconds: str) -> str:
        return f"(({milliseconds}) * 1000)"

    @staticmethod
    def run_id(milliseconds: str) -> str:
        """Ordered by time, as all ids are."""
        return f"printf('%012x7%03x8%015x', {milliseconds}, n % 4096, n)"

    def execute(self, statements: tuple[str, ...], *, together: bool) -> None:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for pragma in ("synchronous=OFF", "cache_size=-500000", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            if together:
                connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement)
            if together:
                connection.execute("COMMIT")


@dataclass
class _Postgres:
    url: str

    @staticmethod
    def whole(number: int) -> str:
        return f"{number}::bigint"

    @staticmethod
    def instant(milliseconds: str) -> str:
        return f"to_timestamp(({milliseconds}) / 1000.0)"

    @staticmethod
    def run_id(milliseconds: str) -> str:
        parts = (f"lpad(to_hex({milliseconds}), 12, '0')", "'7'", "lpad(to_hex(n % 4096), 3, '0')", "'8'")
        return f"({' || '.join(parts)} || lpad(to_hex(n), 15, '0'))::uuid"

    def execute(self, statements: tuple[str, ...], *, together: bool) -> None:
        asyncio.run(_postgres_execute(self.url, statements, together))


async def _postgres_execute(url: str, statements: tuple[str, ...], together: bool) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        # no look at the other table for each row: what is filled in refers to what is there
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        if together:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        else:
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


async def _postgres_value(url: str, query: str) -> float:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return float(await connection.fetchval(query))
    finally:
        await connection.close()


def _chance(seed: int, below: int) -> str:
    """A number of this row (`n`) below `below`, even and the same at each filling: multiplicative hashing."""
    factor = random.Random(seed).randrange(2**31, 2**32) | 1
    return f"(((n + {seed}) * {factor} % 4294967296) / 1024 % {below})"


def _copied(table: str, values: dict[str, str], source: str) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {source}"


def _text(word: str | None) -> str:
    return "CAST(NULL AS TEXT)" if word is None else f"'{word}'"


def register(client: Client, number: int) -> str:
    """A flow as its registration describes it; nobody ever runs it."""
    structure = flows.Structure(
        name=f"flow-{number}",
        project=f"project-{number % PROJECTS}",
        tasks=[flows.TaskSpec(slug="work", name="work")],
        edges=[],
        structure_sha256=DIGEST,
        code_sha256=DIGEST,
        content_sha256=DIGEST,
    )
    kept = storage.ModuleStorage(module="shop", attribute="daily")
    request = flows.RegisterFlow(structure=structure, storage=kept)
    return str(client.call(operations.register_flow, request).flow_id)
