"""T14: 40 × fib(10) in sequence, asked for, dispatched and finished on server and agent: whole."""

import sys
import time

import peer_servers
import peers
from flows_under_test import chain
from headrace import Client
from measure import Row, Stack, cpu_of, repeat, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def once(client: Client) -> float:
    started = time.perf_counter()
    end = client.wait_for(client.create_flow_run(project="bench", flow="fib-10").id)
    assert end.state.is_success, end.state
    return time.perf_counter() - started


def theirs(name: str) -> list[float]:
    """Their program that reports to their server, from its start to its end: nobody dispatches it."""
    with peer_servers.started(name) as server:
        if server is None:
            return []
        port = (server.port,) if name == "luigi" else ()

        def whole() -> float:
            started = time.perf_counter()
            cpu_of(peers.command(name, "fib", 40, 10, *port), server.env)
            return time.perf_counter() - started

        return repeat(3, whole)


if __name__ == "__main__":
    with Stack() as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        chain("fib-10", 40, 10).register(project="bench")
        for _ in range(3):
            once(client)
        found = [once(client) for _ in range(REPEATS)]
    beside = {name: theirs(name) for name in ("prefect", "dagster", "luigi")}
    notes = "(peers: a program beside their server)" if any(beside.values()) else ""
    report(
        Row(
            "T14",
            "40 × fib(10) in sequence, dispatched, whole",
            "s",
            found,
            0.35,
            0.2,
            peers=beside,
            notes=notes,
        )
    )
