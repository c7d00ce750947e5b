"""R15 on every executor: what tasks show reaches the run, with the task that showed it."""

import logging
from typing import Any

import pytest

from headrace import artifacts
from headrace.engine import outcome
from headrace.flows import flow
from headrace.graph import task
from headrace.wire import artifacts as wire

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@task.task
def show() -> None:
    artifacts.markdown("# Sales\n<b>bold</b>", key="report", title="Today")
    artifacts.table([{"day": "monday", "sum": 3}, {"day": "tuesday", "best": True}], key="sums")
    artifacts.table([[1.5, None], [float("inf"), {"a": 1}]], columns=["left", "right"])
    artifacts.link("https://example.com/report?day=1", "the report")
    artifacts.image(PNG, alt="nothing", key="drawing")


@task.task
def show_number(number: int) -> None:
    artifacts.markdown(str(number))


@task.task
def bring_on(steps: int) -> None:
    bar = artifacts.progress(text="rows", key="rows")
    for step in range(steps + 1):
        bar.update(step / steps)
    artifacts.markdown("done")
    bar.update(text="all rows", share=7)


@task.task(retries=1)
def show_and_fail() -> None:
    artifacts.markdown("before the end")
    raise ValueError


@flow(name="inner")
def inner() -> None:
    show_number(7)


@task.task
def run_inner() -> list[Any]:
    return [(record.task, record.body.text) for record in inner.run().artifacts]


def seen(state: outcome.FlowState) -> list[tuple[str | None, int, Any]]:
    return [(record.task, record.map_index, record.body) for record in state.artifacts]


def test_R15_all_kinds_reach_the_run(bench: Any) -> None:
    state = bench.run(lambda: show())
    assert state.is_success, state
    assert seen(state) == [
        ("show", -1, wire.Markdown("# Sales\n<b>bold</b>")),
        ("show", -1, wire.Table(["day", "sum", "best"], [["monday", 3, None], ["tuesday", None, True]])),
        ("show", -1, wire.Table(["left", "right"], [[1.5, None], ["inf", "{'a': 1}"]])),
        ("show", -1, wire.Link("https://example.com/report?day=1", "the report")),
        ("show", -1, wire.Image("image/png", "nothing")),
    ]
    assert [record.key for record in state.artifacts] == ["report", "sums", "", "", "drawing"]
    assert (state.artifacts[0].title, state.artifacts[4].image) == ("Today", PNG)
    assert all(record.at.tzinfo is not None and record.attempt == 1 for record in state.artifacts)


def test_mapped_children_show_under_their_index(bench: Any) -> None:
    state = bench.run(lambda: show_number.map([10, 20, 30]))
    assert sorted(seen(state), key=lambda each: each[1]) == [
        ("show_number", index, wire.Markdown(str(number))) for index, number in enumerate((10, 20, 30))
    ]


def test_of_a_progress_the_last_word_counts(bench: Any) -> None:
    state = bench.run(lambda: bring_on(500))
    assert state.is_success, state
    by_kind = {record.kind: record for record in state.artifacts}
    assert len(state.artifacts) == 2
    assert by_kind["progress"].body == wire.Progress(1.0, "all rows")
    assert (by_kind["progress"].key, by_kind["progress"].token != "") == ("rows", True)


def test_what_a_failed_try_showed_stays(bench: Any) -> None:
    state = bench.run(lambda: show_and_fail())
    assert state.is_failure
    assert [record.attempt for record in state.artifacts] == [1, 2]


def test_a_run_inside_a_task_shows_as_that_task(bench: Any) -> None:
    state = bench.run(lambda: run_inner())
    assert state.tasks["run_inner"].result == [("show_number", "7")]
    assert seen(state) == [("run_inner", -1, wire.Markdown("7"))]


def test_without_a_server_an_artifact_is_logged(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.run(lambda: show())
    lines = [each.getMessage() for each in caplog.records if each.getMessage().startswith("artifact: ")]
    assert lines == [
        "artifact: markdown 'report': # Sales",
        "artifact: table 'sums': 2 rows of day, sum, best",
        "artifact: table: 2 rows of left, right",
        "artifact: link: https://example.com/report?day=1",
        "artifact: image 'drawing': image/png, 108 bytes",
    ]
