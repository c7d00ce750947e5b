"""`headrace logs`: by time, on the screen and as a file."""

from datetime import UTC, datetime, timedelta

from lifecycles import Life

from cli_runner import Runner
from headrace.server import logs
from headrace.wire import operations, runs
from http_client import Http

#: Imported for their handlers.
NOUNS = (logs,)


def test_logs_are_shown_and_downloaded_from_a_time_to_another(http: Http, headrace: Runner) -> None:
    life = Life(http.server)
    held = life.running()
    now = datetime.now(UTC).replace(microsecond=0)
    records = [
        runs.LogRecord(now - timedelta(minutes=ago), 20, "told", f"{ago} minutes ago") for ago in (90, 50, 10)
    ]
    request = runs.WriteLogs(flow_run_id=held.flow_run_id, fence=held.fence, seq=0, records=records)
    http.server.call(operations.write_logs, request, life.by(held))
    run = str(held.flow_run_id)

    def shown(*options: str) -> list[str]:
        told = headrace("logs", run, *options)
        assert told.status == 0, told.err
        return [minutes for minutes in ("90", "50", "10") if f"{minutes} minutes ago" in told.out]

    assert shown() == ["90", "50", "10"]
    assert shown("--since", "-1h") == ["50", "10"]
    assert shown("--since", "-1h", "--until", "-30m") == ["50"]
    assert shown("--until", (now - timedelta(minutes=60)).isoformat()) == ["90"]
    wrong = headrace("logs", run, "--since", "yesterday")
    assert (wrong.status, "--since 'yesterday' is neither an ISO time" in wrong.err) == (2, True)


def test_the_whole_log_is_downloaded_from_a_time_to_another(http: Http) -> None:
    life = Life(http.server)
    held = life.running()
    now = datetime.now(UTC)
    records = [runs.LogRecord(now - timedelta(hours=ago), 20, "told", f"line {ago}") for ago in (3, 1)]
    request = runs.WriteLogs(flow_run_id=held.flow_run_id, fence=held.fence, seq=0, records=records)
    http.server.call(operations.write_logs, request, life.by(held))
    since = (now - timedelta(hours=2)).isoformat().replace("+", "%2B")
    path = f"/api/flow_runs/{held.flow_run_id}/logs/download?format=csv&since={since}"
    text = http.request("GET", path, token=http.token("viewer")).body.decode()
    assert "line 1" in text
    assert "line 3" not in text
