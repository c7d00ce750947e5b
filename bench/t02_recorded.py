"""T2: 1,000 no-op tasks whose states the server records, CPU per task of run, supervisor, agent and server. T3: until all can be read. T16: 10,000 mapped."""

import contextlib
import statistics
import sys
import time
from dataclasses import dataclass

import psutil

import peer_servers
import peers
from flows_under_test import flat, mapped
from headrace import Client
from headrace.wire import operations, runs
from measure import Row, Stack, cpu_of, cpu_seconds, pss_megabytes, report, until
from postgresql import Database, databases

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
#: Tasks that peers are given; theirs take up to 40 ms each.
PEER_TASKS = 300


@dataclass
class Measured:
    """A run: CPU seconds of client and server and of a database server beside it, s from the last task's end to all states readable, whole s, peak MB of the run process."""

    cpu: float
    database_cpu: float
    settled: float
    whole: float
    peak: float


def one(client: Client, stack: Stack, database: Database, flow: str, expected: int) -> Measured:
    before = used(stack, database)
    started = time.perf_counter()
    run = client.create_flow_run(project="bench", flow=flow)
    peak = 0.0
    while not run.state.is_finished:
        time.sleep(0.02)  # each look costs the server a request, which is counted
        run = client.read_flow_run(run.id)
        if run.pid:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, pss_megabytes(psutil.Process(run.pid), descendants=False))
    whole = time.perf_counter() - started
    assert run.state.is_success, run.state
    readable = 0
    while readable < expected:
        readable = sum(client.read_flow_run(run.id).task_states.values())
    now = time.time()
    last = max(task.finished_at.timestamp() for task in tasks(client, run) if task.finished_at)
    (template,) = stack.agent.children()
    until(lambda: not template.children(), "the run's processes have ended")
    cpu, database_cpu = (after - was for after, was in zip(used(stack, database), before, strict=True))
    return Measured(cpu, database_cpu, max(0.0, now - last), whole, peak)


def used(stack: Stack, database: Database) -> tuple[float, float]:
    """CPU of the server and of the agent with the supervisor and run processes below it, ended ones too; the database's."""
    own = cpu_seconds(stack.server) + cpu_seconds(stack.agent, ended=True)
    return own, cpu_seconds(database.process) if database.process else 0.0


def tasks(client: Client, run: runs.FlowRun) -> list[runs.TaskRun]:
    request = runs.ListTaskRuns(flow_run_id=run.id, limit=1000)
    return client.call(operations.list_task_runs, request).items


def peer(name: str) -> tuple[float, float]:
    """(µs of CPU per task of program and server, s of 10,000 mapped ones by what `PEER_TASKS` take) of a peer; above one task."""
    with peer_servers.started(name) as server:
        assert server is not None
        after = (str(server.port),) if name == "luigi" else ()

        def took(*what: object) -> tuple[float, float]:
            began, before = time.perf_counter(), cpu_seconds(server.parts[0])
            own = cpu_of(peers.command(name, *what, *after), server.env)
            whole = time.perf_counter() - began
            if name == "prefect":
                settle(server)
            return own + cpu_seconds(server.parts[0]) - before, whole

        few, many = (took("noop", count)[0] for count in (1, 1 + PEER_TASKS))
        if name == "luigi":  # it has no mapping
            return (many - few) / PEER_TASKS * 1e6, 0.0
        short, long = (took("mapped", count)[1] for count in (1, 1 + PEER_TASKS))
        return (many - few) / PEER_TASKS * 1e6, (long - short) / PEER_TASKS * 10_000


def settle(server: peer_servers.Server) -> None:
    """Until the server has worked off what the program has left it; at most half a minute."""
    finished = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    seen, since, began = -1, time.monotonic(), time.monotonic()
    while time.monotonic() - since < 3 and time.monotonic() - began < 30:
        found = server.post("/api/task_runs/count", finished)
        if found != seen:
            seen, since = found, time.monotonic()
        time.sleep(0.5)


def ours(database: Database) -> None:
    with Stack(database_url=database.url) as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        flat(1000).register(project="bench")
        mapped.register(project="bench")
        one(client, stack, database, "flat-1000", 1000)
        flats = [one(client, stack, database, "flat-1000", 1000) for _ in range(REPEATS)]
        maps = [one(client, stack, database, "mapped", 10_000) for _ in range(max(2, REPEATS // 2))]
    beside: dict[str, tuple[float, float]] = {}
    if not database.url:
        beside = {name: peer(name) for name in ("prefect", "dagster", "luigi") if peers.python_of(name)}
    its_own = statistics.median(each.database_cpu for each in flats) * 1e3
    notes = f"({database.name}'s own beside it: {its_own:.0f} µs)" if database.process else ""
    report(
        Row("T2", f"no-op task recorded on {database.name}, CPU of run, supervisor, agent and server", "µs",
            [each.cpu * 1e3 for each in flats], 400, 150, peers={name: [cpu] for name, (cpu, _) in beside.items()}, notes=notes),
        Row("T3", f"last task's end until all 1,000 states can be read, {database.name}", "s",
            [each.settled for each in flats], 0.5, 0.2),
        Row("T16", f"10,000 mapped tasks with the server, {database.name}, whole", "s", [each.whole for each in maps], 4, 2,
            peers={name: [whole] for name, (_, whole) in beside.items() if whole},
            notes=f"(peers: by what {PEER_TASKS} tasks take)" if beside else ""),
        Row("T16", f"10,000 mapped tasks, {database.name}, memory of the run process", "MB", [each.peak for each in maps], 150, 100),
    )  # fmt: skip


if __name__ == "__main__":
    with databases() as found:
        for each in found:
            ours(each)
