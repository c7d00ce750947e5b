"""T14: 40 × fib(10) in sequence, asked for, dispatched and finished on server and agent: whole."""

import sys
import time

from flows_under_test import chain
from headrace import Client
from measure import Row, Stack, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def once(client: Client) -> float:
    started = time.perf_counter()
    end = client.wait_for(client.create_flow_run(project="bench", flow="fib-10").id)
    assert end.state.is_success, end.state
    return time.perf_counter() - started


if __name__ == "__main__":
    with Stack() as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        chain("fib-10", 40, 10).register(project="bench")
        for _ in range(3):
            once(client)
        report(
            Row(
                "T14",
                "40 × fib(10) in sequence, dispatched, whole",
                "s",
                [once(client) for _ in range(REPEATS)],
                0.35,
                0.2,
            )
        )
