"""T13: 50 schedules due in one second: how late the first line of user code is, for all of them, and how late the claims."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows_under_test import latency
from headrace import Client, dates
from headrace.wire import operations
from headrace.wire import runs as wire_runs
from measure import Row, Stack, report, until
from postgresql import Database, databases

SCHEDULES = int(sys.argv[1]) if len(sys.argv) > 1 else 50
ROUNDS = 3
#: So long before they are due the schedules are made.
AHEAD = timedelta(seconds=30)


def once(client: Client, flow_id: object, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of lateness of each run's first line, and milliseconds of each claim."""
    due = (datetime.now(UTC) + AHEAD).replace(microsecond=0)
    paths = [folder / f"{due:%H%M%S}-{number}" for number in range(SCHEDULES)]
    made = [client.schedules.create(flow_id, dates([due], parameters={"path": str(path)})) for path in paths]
    assert datetime.now(UTC) < due, "the schedules were not made in time"
    until(lambda: all(path.exists() and path.read_text() for path in paths), "all have run", 120)
    late = [float(path.read_text()) - due.timestamp() for path in paths]
    assert min(late) >= 0, f"one ran {-min(late)} s early"
    ours = {schedule.id for schedule in made}
    runs = [run for run in client.list_flow_runs(since=due - AHEAD) if run.schedule_id in ours]
    assert len(runs) == SCHEDULES, len(runs)
    claims = [1000 * (claimed(client, run.id) - due.timestamp()) for run in runs]
    for run in runs:
        assert client.wait_for(run.id, 60).state.is_success
    return late, claims


def claimed(client: Client, run_id: object) -> float:
    """When the run was claimed, in the server's time."""
    events = client.call(operations.list_run_events, wire_runs.FlowRunRef(flow_run_id=run_id)).items
    return next(event.at.timestamp() for event in events if event.state.type == "Submitted")


def measured(database: Database) -> tuple[list[float], list[float]]:
    with Stack(database_url=database.url) as stack, tempfile.TemporaryDirectory() as made:
        client, folder = Client(server_url=stack.url, api_key=stack.key), Path(made)
        client.create_project("bench")
        registered = latency.register(project="bench")
        first = client.create_flow_run(
            project="bench", flow="latency", parameters={"path": str(folder / "0")}
        )
        client.wait_for(first.id)
        late: list[float] = []
        claims: list[float] = []
        for _ in range(ROUNDS):
            seconds, milliseconds = once(client, registered.flow_id, folder)
            late += seconds
            claims += milliseconds
            time.sleep(1)
        return late, claims


def main() -> None:
    with databases() as found:
        for database in found:
            late, claims = measured(database)
            what = f"{SCHEDULES} schedules due in one second, {database.name}"
            whole = Row("T13", f"{what}: lateness of the first line of user code", "s", late)
            goal = Row("T13", f"{what}: its 95th percentile", "s", [whole.p95], 4, 2.5)
            goal.notes = f"none early, none lost, n {len(late)}"
            report(
                goal,
                whole,
                Row("T13", f"{what}: the first claim's lateness", "ms", [min(claims)], 100),
                Row("T13", f"{what}: lateness of a claim", "ms", claims),
            )


if __name__ == "__main__":
    main()
