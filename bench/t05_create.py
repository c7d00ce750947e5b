"""T5: runs created per second over the API by 16 clients, none refused. T7: log lines per second accepted from 8 clients."""

import socket
import sys
import threading
import time
from datetime import UTC, datetime

import peer_servers
from flows_under_test import latency
from headrace import Client
from headrace.wire import agents, logs, operations, runs
from measure import Row, Stack, report
from postgresql import Database, databases

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 5
#: What peers are asked for, three times.
PEER_RUNS = 48


def in_parallel(count: int, work) -> float:
    """Seconds until all are done; an error in one is an error of all."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started


def creations(stack: Stack) -> list[float]:
    rates = []
    for _ in range(3):
        made = [0] * 16
        until = time.perf_counter() + SECONDS

        def work(number: int, made=made, until=until) -> None:
            client = Client(server_url=stack.url, api_key=stack.key)
            while time.perf_counter() < until:
                client.create_flow_run(project="bench", flow="latency", labels=["nobody"])
                made[number] += 1

        took = in_parallel(16, work)
        rates.append(sum(made) / took)
    return rates


def log_lines(stack: Stack, batches: int = 50, size: int = 500) -> list[float]:
    client = Client(server_url=stack.url, api_key=stack.key)
    agent = client.call(
        operations.register_agent,
        agents.RegisterAgent(
            name="bench", instance="1", launches=["local"], labels=["logs", socket.gethostname()]
        ),
    )
    claimed = []
    for _ in range(8):
        client.create_flow_run(project="bench", flow="latency", labels=["logs"])
        found = client.call(
            operations.claim_flow_run, runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=5)
        ).assignment
        assert found
        own = Client(server_url=stack.url, api_key=found.token)
        own.call(
            operations.start_flow_run,
            runs.StartFlowRun(
                flow_run_id=found.flow_run_id,
                fence=found.fence,
                content_sha256=found.content_sha256,
                host="bench",
                pid=1,
            ),
        )
        claimed.append((own, found))
    rates = []
    for turn in range(3):
        records = [
            runs.LogRecord(
                datetime.now(UTC),
                20,
                "bench",
                f"line {number} of an ordinary length, with some words",
                "task",
            )
            for number in range(size)
        ]

        def work(number: int, turn=turn, records=records) -> None:
            own, found = claimed[number]
            for batch in range(batches):
                seq = (turn * batches + batch) * size
                own.call(
                    operations.write_logs,
                    runs.WriteLogs(
                        flow_run_id=found.flow_run_id, fence=found.fence, seq=seq, records=records
                    ),
                )

        rates.append(8 * batches * size / in_parallel(8, work))
    total = sum(
        client.call(operations.count_logs, logs.ListLogs(flow_run_id=found.flow_run_id)).total
        for _, found in claimed
    )
    assert total == 3 * 8 * batches * size, f"{total} lines kept"
    return rates


def theirs() -> tuple[dict[str, list[float]], dict[str, int]]:
    """Runs per second, and how many of them all were refused. Nothing carries them out meanwhile, as with ours."""
    rates: dict[str, list[float]] = {}
    refused: dict[str, int] = {}
    for name in ("prefect", "airflow", "dagster"):
        with peer_servers.started(name) as server:
            if server is not None:
                peer_servers.with_runs(server, agent=False)
                peer_servers.creations(server, 16)
                found = [peer_servers.creations(server, PEER_RUNS) for _ in range(3)]
                rates[name] = [rate for rate, _ in found]
                refused[name] = sum(count for _, count in found)
    return rates, refused


def ours(database: Database) -> None:
    with Stack(agent=False, database_url=database.url) as stack:
        Client(server_url=stack.url, api_key=stack.key).create_project("bench")
        latency.register(project="bench")
        created, lines = creations(stack), log_lines(stack)
    rates, refused = ({}, {}) if database.url else theirs()
    said = ", ".join(f"{name} {count} of {3 * PEER_RUNS}" for name, count in refused.items() if count)
    report(
        Row("T5", f"runs created, 16 clients, {database.name}, none refused", "1/s", created, 400, 1000,
            more_is_better=True, peers=rates, notes=f"(refused: {said})" if said else ""),
        Row("T7", f"log lines accepted, 8 clients, {database.name}, none lost", "1/s", lines, 30_000, 60_000, more_is_better=True),
    )  # fmt: skip


if __name__ == "__main__":
    with databases() as found:
        for each in found:
            ours(each)
