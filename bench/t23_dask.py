"""T23: 10,000 mapped tasks on a Dask cluster of two workers ÷ the same calls by `client.map` on the same cluster."""

import statistics
import sys
import time

import dask.config
import distributed

from headrace import DaskExecutor, flow, task
from measure import Row, report

TASKS = 10_000
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task
def double(number: int) -> int:
    return 2 * number


def plain_double(number: int) -> int:
    return 2 * number


def ours(address: str, count: int) -> float:
    """The whole run: connecting, ten thousand states reported, and the list of values back here."""

    @flow(executor=DaskExecutor(address=address))
    def doubles():
        return double.map(numbers(count))

    started = time.perf_counter()
    state = doubles.run()
    took = time.perf_counter() - started
    assert state.result == [2 * number for number in range(count)], state
    return took


def plain(address: str, count: int) -> float:
    started = time.perf_counter()
    with distributed.Client(address, set_as_default=False) as client:
        values = client.gather(client.map(plain_double, range(count), pure=False))
    took = time.perf_counter() - started
    assert values == [2 * number for number in range(count)]
    return took


def main() -> None:
    with (
        dask.config.set({"distributed.dashboard.link": ""}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        address = cluster.scheduler_address
        ours(address, 100)
        plain(address, 100)
        floors = [plain(address, TASKS)]
        found: list[float] = []
        for _ in range(ROUNDS):
            took = ours(address, TASKS)
            floors.append(plain(address, TASKS))
            # its neighbours in time: what else the machine does changes from minute to minute
            found.append(took / statistics.mean(floors[-2:]))
        note = f"(client.map: {statistics.median(floors):.3g} s)"
        report(
            Row(
                "T23", "10,000 mapped tasks on Dask ÷ client.map, 2 workers", "×", found, 1.3, 1.1, notes=note
            )
        )


if __name__ == "__main__":
    main()
