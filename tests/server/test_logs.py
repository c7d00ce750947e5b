"""Logs: each record once and in order; lists, counts and files of them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from structures import digest, registration

from headrace import errors
from headrace.server import agents as server_agents
from headrace.server import claims, projects, reports, versions
from headrace.server import flows as server_flows
from headrace.server import logs as server_logs
from headrace.server import runs as server_runs
from headrace.wire import agents, flows, logs, operations, runs
from running import Callers, Server

#: Imported for their handlers.
HANDLERS = (server_agents, claims, projects, reports, versions, server_flows, server_logs, server_runs)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class RunningRun:
    """A run that has started, and its process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.call(operations.create_project, flows.CreateProject(name="sales"))
        server.call(operations.register_flow, registration())
        made = server.call(operations.create_flow_run, runs.CreateFlowRun(project="sales", flow="daily"))
        agent = server.call(
            operations.register_agent,
            agents.RegisterAgent(name="a", instance="1", launches=["local"]),
            server.as_.agent,
        )
        claim = runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=0)
        found = server.call(operations.claim_flow_run, claim, server.as_.agent, "claim-1").assignment
        assert found.flow_run_id == made.id
        self.id: UUID = made.id
        self.fence: int = found.fence
        self.caller = Callers.run(self.id, self.fence)
        start = runs.StartFlowRun(
            flow_run_id=self.id, fence=self.fence, content_sha256=digest("content"), host="here", pid=1
        )
        server.call(operations.start_flow_run, start, self.caller)

    def write(self, seq: int, *messages: str, level: int = 20, task: str | None = None) -> runs.Written:
        records = [
            runs.LogRecord(NOON + timedelta(seconds=seq + at), level, "flow", message, task)
            for at, message in enumerate(messages)
        ]
        request = runs.WriteLogs(flow_run_id=self.id, fence=self.fence, seq=seq, records=records)
        return self.server.call(operations.write_logs, request, self.caller)

    def lines(self, **wanted: object) -> list[str]:
        request = msgspec.convert({"flow_run_id": self.id, **wanted}, logs.ListLogs)
        return [line.message for line in self.server.call(operations.list_logs, request).items]

    def download(self, **wanted: object) -> str:
        request = msgspec.convert({"flow_run_id": self.id, **wanted}, logs.DownloadLogs)

        async def read() -> bytes:
            found = await server_logs.download_logs(self.server.service, self.server.as_.viewer, request)
            return b"".join([chunk async for chunk in found.chunks])

        return self.server.run(read()).decode()


@pytest.fixture
def run(server: Server) -> RunningRun:
    return RunningRun(server)


def test_records_are_kept_once_and_in_order_whatever_is_sent_again(run: RunningRun) -> None:
    assert run.write(0, "one", "two").next_seq == 2
    assert run.write(0, "one", "two").next_seq == 2
    assert run.write(1, "two", "three").next_seq == 3
    assert run.lines() == ["one", "two", "three"]


def test_a_gap_is_refused_with_what_is_expected(run: RunningRun) -> None:
    run.write(0, "one")
    with pytest.raises(errors.Conflict, match="records 1 to 4") as refused:
        run.write(5, "six")
    assert refused.value.facts["next_seq"] == 1


def test_another_runs_token_and_an_old_fence_write_nothing(run: RunningRun) -> None:
    run.write(0, "mine")
    run.caller = Callers.run(UUID(int=1), run.fence)
    with pytest.raises(errors.Forbidden):
        run.write(1, "not mine")
    run.fence -= 1
    run.caller = Callers.run(run.id, run.fence)
    with pytest.raises(errors.Superseded):
        run.write(0, "late")
    assert run.lines() == ["mine"]


def test_lines_are_filtered_by_level_task_time_and_text(run: RunningRun) -> None:
    run.write(0, "Reading 100%", "a_b", level=10, task="extract")
    run.write(2, "careful", level=30)
    run.write(3, "BROKEN", level=40, task="load")
    assert run.lines(level=30) == ["careful", "BROKEN"]
    assert run.lines(task="load") == ["BROKEN"]
    assert run.lines(search="broken") == ["BROKEN"]
    assert run.lines(search="100%") == ["Reading 100%"]
    assert run.lines(search="a%b") == []
    assert run.lines(since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=3)) == ["careful"]
    taken = run.download(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3))
    assert [line.rsplit(" ", 1)[1] for line in taken.splitlines()] == ["a_b", "careful"]
    assert run.download(map_index=3) == ""
    counted = run.server.call(operations.count_logs, logs.ListLogs(flow_run_id=run.id, level=20))
    assert (counted.total, counted.levels) == (2, {"30": 1, "40": 1})


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("time", ["a", "b", "c", "d", "e"]),
        ("-time", ["e", "d", "c", "b", "a"]),
        ("level", ["b", "d", "a", "e", "c"]),
        ("-level", ["c", "a", "e", "b", "d"]),
    ],
)
def test_pages_of_every_order_join_without_a_seam(run: RunningRun, sort: str, expected: list[str]) -> None:
    for seq, (message, level) in enumerate([("a", 20), ("b", 10), ("c", 40), ("d", 10), ("e", 20)]):
        run.write(seq, message, level=level)
    found: list[str] = []
    after = None
    while True:
        request = msgspec.convert(
            {"flow_run_id": run.id, "sort": sort, "limit": 2, "after": after}, logs.ListLogs
        )
        page = run.server.call(operations.list_logs, request)
        found += [line.message for line in page.items]
        after = page.next
        if after is None:
            break
    assert found == expected


def test_a_whole_log_is_a_file_with_one_line_a_record(run: RunningRun) -> None:
    run.write(0, "first\nsecond", "=cmd()", "\x1b[31mred\x1b[0m")
    text = run.download(format="text").splitlines()
    assert len(text) == 3
    assert text[0].endswith("first\\nsecond")
    rows = list(csv.DictReader(io.StringIO(run.download(format="csv"))))
    assert [row["message"] for row in rows] == ["first\nsecond", "'=cmd()", "\x1b[31mred\x1b[0m"]
    lines = [
        msgspec.json.decode(line, type=logs.LogLine) for line in run.download(format="ndjson").splitlines()
    ]
    assert [line.message for line in lines] == ["first\nsecond", "=cmd()", "\x1b[31mred\x1b[0m"]


def test_a_download_is_read_a_part_at_a_time_and_misses_nothing(run: RunningRun) -> None:
    messages = [str(number) for number in range(4500)]
    run.write(0, *messages)
    assert [line.rsplit(" ", 1)[1] for line in run.download().splitlines()] == messages


def test_nul_and_endless_messages_are_kept_as_far_as_possible(run: RunningRun) -> None:
    run.write(0, "a\x00b", "x" * 100_000)
    first, second = run.lines()
    assert first == "a\ufffdb"
    assert second.endswith("(34464 characters more)")


def test_logs_of_a_run_that_is_not_there_are_not_found(server: Server) -> None:
    with pytest.raises(errors.NotFound):
        server.call(operations.list_logs, logs.ListLogs(flow_run_id=UUID(int=7)))
