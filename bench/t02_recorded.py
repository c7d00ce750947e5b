"""T2: 1,000 no-op tasks whose states the server records, CPU of run and server per task. T3: until all can be read. T16: 10,000 mapped."""

import sys
import time

import psutil

from flows_under_test import flat, mapped
from headrace import Client
from headrace.wire import operations, runs
from measure import Row, Stack, cpu_seconds, pss_megabytes, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def run_process(run: runs.FlowRun) -> psutil.Process | None:
    try:
        return psutil.Process(run.pid) if run.pid else None
    except psutil.NoSuchProcess:
        return None


def one(client: Client, stack: Stack, flow: str, expected: int) -> tuple[float, float, float, float]:
    """(CPU s of run and server, s from the last task's end to all states readable, whole s, peak MB of the run process)."""
    before = cpu_seconds(stack.server)
    started = time.perf_counter()
    run = client.create_flow_run(project="bench", flow=flow)
    peak, used = 0.0, 0.0
    while not run.state.is_finished:
        run = client.read_flow_run(run.id)
        time.sleep(0.02)  # each look costs the server a request, which is counted
        process = run_process(run)
        if process is not None:
            try:
                peak = max(peak, pss_megabytes(process, descendants=False))
                used = sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                pass
    whole = time.perf_counter() - started
    assert run.state.is_success, run.state
    readable = 0
    while readable < expected:
        readable = sum(client.read_flow_run(run.id).task_states.values())
    now = time.time()
    last = max(task.finished_at.timestamp() for task in tasks(client, run) if task.finished_at)
    return used + cpu_seconds(stack.server) - before, max(0.0, now - last), whole, peak


def tasks(client: Client, run: runs.FlowRun) -> list[runs.TaskRun]:
    request = runs.ListTaskRuns(flow_run_id=run.id, limit=1000)
    return client.call(operations.list_task_runs, request).items


if __name__ == "__main__":
    with Stack() as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        flat(1000).register(project="bench")
        mapped.register(project="bench")
        one(client, stack, "flat-1000", 1000)
        flats = [one(client, stack, "flat-1000", 1000) for _ in range(REPEATS)]
        maps = [one(client, stack, "mapped", 10_000) for _ in range(max(2, REPEATS // 2))]
    report(
        Row(
            "T2",
            "no-op task recorded on SQLite, CPU of run process and server",
            "µs",
            [used * 1e3 for used, *_ in flats],
            400,
            150,
        ),
        Row(
            "T3",
            "last task's end until all 1,000 states can be read",
            "s",
            [settle for _, settle, *_ in flats],
            0.5,
            0.2,
        ),
        Row("T16", "10,000 mapped tasks with the server, whole", "s", [whole for *_, whole, _ in maps], 4, 2),
        Row(
            "T16",
            "10,000 mapped tasks, memory of the run process",
            "MB",
            [peak for *_, peak in maps],
            150,
            100,
        ),
    )
