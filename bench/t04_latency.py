"""T4: from asking for a run to the first line of its user code, with an idle agent: warm, and cold (no template)."""

import sys
import tempfile
import time
from pathlib import Path

from flows_under_test import latency
from headrace import Client
from measure import Row, Stack, report

REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 30


def once(client: Client, folder: Path, number: int) -> float:
    path = folder / str(number)
    asked = time.time()
    run = client.create_flow_run(project="bench", flow="latency", parameters={"path": str(path)})
    end = client.wait_for(run.id)
    assert end.state.is_success, end.state
    return 1000 * (float(path.read_text()) - asked)


if __name__ == "__main__":
    with Stack() as stack, tempfile.TemporaryDirectory() as folder:
        client = Client(server_url=stack.url, api_key=stack.key)
        client.create_project("bench")
        latency.register(project="bench")
        for number in range(3):
            once(client, Path(folder), -1 - number)
        warm = [once(client, Path(folder), number) for number in range(REPEATS)]
    row = Row("T4", "asking for a run until the first line of user code, warm", "ms", warm, 60, 30)
    row.notes = f"p95 {'reaches' if row.p95 <= 150 else 'misses'} its 150"
    report(row)
