"""T6: the first page of the run list with 100,000 and with 1,000,000 runs, over HTTP: as the dashboard and a flow's page ask."""

import http.client
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

from headrace import Client
from headrace.wire import operations, runs
from history import FAULTLESS_FLOW, RARE_FLOW, History
from measure import Row, Stack, report
from postgresql import databases

#: How many runs, and the goal in milliseconds for each.
SIZES = {int(size): goal for size, goal in zip(sys.argv[1:] or ("100000", "1000000"), (20, 30), strict=False)}
REPEATS = 60
SEED = 6
#: Runs that wait for their time, on top of the list as schedules make them.
AHEAD = 25


class Page:
    """Asks as a browser does: one connection, compressed answers."""

    def __init__(self, stack: Stack) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port)
        self._headers = {"Authorization": f"Bearer {stack.key}", "Accept-Encoding": "gzip"}

    def milliseconds(self, path: str) -> float:
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:500])
        return 1000 * (time.perf_counter() - began)


def questions(history: History) -> dict[str, str]:
    """What is asked, by its words: those with a goal first."""

    def listed(**wanted: object) -> str:
        return f"/api/flow_runs?{urlencode(wanted, doseq=True)}"

    flow = history.flow_ids
    month = (datetime.now(UTC) - timedelta(days=300)).isoformat()
    return {
        "all": listed(),
        "failed": listed(state="Failed"),
        "project": listed(project="project-1"),
        "project, failed": listed(project="project-1", state="Failed"),
        "flow": listed(flow_id=flow[2]),
        "flow, failed": listed(flow_id=flow[2], state="Failed"),
        "rare flow, failed": listed(flow_id=flow[RARE_FLOW], state="Failed"),
        "flow that never failed, failed": listed(flow_id=flow[FAULTLESS_FLOW], state="Failed"),
        "none runs": listed(state="Running", limit=1),
        "before 300 days": listed(until=month),
    }


def dashboards() -> Mapping[str, str]:
    return {
        "dashboard": "/api/overview",
        "dashboard of a project": f"/api/overview?{urlencode({'project': 'project-1'})}",
        "search by name": f"/api/flow_runs?{urlencode({'search': 'run-77'})}",
    }


def measured(history: History, goal: float) -> list[Row]:
    database = history.database
    with Stack(agent=False, database_url=database.url, home=history.home) as stack:
        client = Client(server_url=stack.url, api_key=stack.key)
        due = datetime.now(UTC) + timedelta(hours=1)
        for number in range(AHEAD):
            asked = runs.CreateFlowRun(flow_id=UUID(history.flow_ids[number]), due_at=due)
            client.call(operations.create_flow_run, asked)
        page = Page(stack)
        rows: list[Row] = []
        for words, path in {**questions(history), **dashboards()}.items():
            for _ in range(3):
                page.milliseconds(path)
            taken = [page.milliseconds(path) for _ in range(REPEATS)]
            row = Row(
                "T6", f"{history.runs:,} runs, first page, {words}, {database.name}", "ms", taken, at_p95=True
            )
            if words not in dashboards():
                row.must, row.good = goal, 8
            rows.append(row)
        return rows


def main() -> None:
    with databases() as found:
        for database in found:
            with tempfile.TemporaryDirectory() as folder:
                history = History.begun(database, Path(folder), SEED)
                for size, goal in SIZES.items():
                    seconds = history.grow(size)
                    history.settled()
                    print(f"{size:,} runs filled in {seconds:.0f} s, {history.size:.2f} GB", flush=True)
                    report(*measured(history, goal))


if __name__ == "__main__":
    main()
