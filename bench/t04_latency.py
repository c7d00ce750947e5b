"""T4: from asking for a run to the first line of its user code, with an idle agent: warm, and cold (no template)."""

import sys
import tempfile
import time
from pathlib import Path

import peer_servers
from flows_under_test import latency
from headrace import Client, LocalRun
from measure import Row, Stack, report
from postgresql import Database, databases

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 30
COLD_REPEATS = max(3, REPEATS // 3)
PEER_REPEATS = 3

#: A variable that Python reads at its start: such a run is not forked from the template, it is an interpreter of its own.
COLD = LocalRun(env={"PYTHONHASHSEED": "0"})


def once(client: Client, folder: Path, name: str, run_config: LocalRun | None = None) -> float:
    path = folder / name
    asked = time.time()
    run = client.create_flow_run(
        project="bench", flow="latency", parameters={"path": str(path)}, run_config=run_config
    )
    end = client.wait_for(run.id)
    assert end.state.is_success, end.state
    return 1000 * (float(path.read_text()) - asked)


def ours(database: Database) -> tuple[list[float], list[float]]:
    """Milliseconds, warm and cold."""
    with Stack(database_url=database.url) as stack, tempfile.TemporaryDirectory() as made:
        client, folder = Client(server_url=stack.url, api_key=stack.key), Path(made)
        client.create_project("bench")
        latency.register(project="bench")
        for number in range(3):
            once(client, folder, f"before-{number}")
        once(client, folder, "before-cold", COLD)
        warm = [once(client, folder, f"warm-{number}") for number in range(REPEATS)]
        return warm, [once(client, folder, f"cold-{number}", COLD) for number in range(COLD_REPEATS)]


def theirs() -> dict[str, list[float]]:
    """Milliseconds of the peers that have a server which starts runs."""
    found: dict[str, list[float]] = {}
    for name in ("prefect", "airflow", "dagster"):
        with peer_servers.started(name) as server:
            if server is not None:
                peer_servers.with_runs(server)
                peer_servers.seconds_to_first_line(server, 1)
                seconds = peer_servers.seconds_to_first_line(server, PEER_REPEATS)
                found[name] = [1000 * each for each in seconds]
    return found


if __name__ == "__main__":
    with databases() as found:
        for database in found:
            warm, cold = ours(database)
            beside = {} if database.url else theirs()
            row = Row(
                "T4",
                f"asking for a run until the first line of user code, warm, {database.name}",
                "ms",
                warm,
                60,
                30,
            )
            row.notes = f"p95 {'reaches' if row.p95 <= 150 else 'misses'} its 150"
            row.peers = beside
            report(
                row,
                Row("T4", f"the same, cold (no template), {database.name}", "ms", cold, 500, None),
            )  # fmt: skip
