"""V2: what differs between two versions, told by kind and name."""

from typing import Any

import pytest
from structures import digest, structure

from headrace.core import schedules
from headrace.server import differences
from headrace.wire import executors, flows, run_configs

EXTRACT = flows.TaskSpec(slug="extract", name="extract", retries=2)
LOAD = flows.TaskSpec(slug="load", name="load")
CLEAN = flows.TaskSpec(slug="clean", name="clean")
EDGE = flows.EdgeSpec(upstream="extract", downstream="load", key="rows")


def found(**changes: Any) -> list[tuple[str, str, str]]:
    return [
        (change.what, change.name, change.how)
        for change in differences.changes(structure(), structure(**changes))
    ]


def summary(**changes: Any) -> str:
    return differences.summary(differences.changes(structure(), structure(**changes)))


def test_equal_structures_differ_in_nothing() -> None:
    assert found(content_sha256=digest("other bytes")) == []
    assert summary() == "nothing changed"


def test_tasks_and_edges_are_told_by_name() -> None:
    changes: dict[str, Any] = {
        "tasks": [EXTRACT, CLEAN, flows.TaskSpec(slug="load", name="load", retries=1, tags=["db"])],
        "edges": [
            flows.EdgeSpec(upstream="extract", downstream="clean", key="row", mapped=True),
            flows.EdgeSpec(upstream="clean", downstream="load", key="rows"),
        ],
    }
    assert found(**changes) == [
        ("task", "clean", "added"),
        ("task", "load", "changed"),
        ("edge", "clean → load (rows)", "added"),
        ("edge", "extract → clean (row)", "added"),
        ("edge", "extract → load (rows)", "removed"),
    ]
    assert summary(**changes) == "1 task added, 1 task changed, 2 edges added, 1 edge removed"


def test_a_changed_task_says_which_fields_changed_from_what_to_what() -> None:
    changed = flows.TaskSpec(slug="load", name="load", retries=1, tags=["db"])
    (change,) = differences.changes(structure(), structure(tasks=[EXTRACT, changed]))
    assert [(field.name, field.before, field.after) for field in change.fields] == [
        ("retries", None, 1),
        ("tags", None, ["db"]),
    ]


def test_an_edge_that_becomes_mapped_has_changed() -> None:
    mapped = flows.EdgeSpec(upstream="extract", downstream="load", key="rows", mapped=True)
    assert found(edges=[mapped]) == [("edge", "extract → load (rows)", "changed")]


def test_a_parameter_is_no_task() -> None:
    node = flows.TaskSpec(slug="day", name="day", kind="parameter")
    assert found(tasks=[EXTRACT, LOAD, node]) == []
    other = flows.ParameterSpec(name="day", required=True, schema={"type": "string"})
    assert found(parameters=[other]) == [("parameter", "day", "changed")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"executor": executors.ThreadExecutor(workers=2)}, [("executor", "executor", "changed")]),
        ({"run_config": run_configs.LocalRun(env={"A": "1"})}, [("run config", "run config", "changed")]),
        ({"storage_kind": "git"}, [("storage", "storage", "changed")]),
        ({"code_sha256": digest("other code")}, [("code", "code", "changed")]),
        (
            {"retries": 2, "on_lost": "reschedule"},
            [("setting", "on_lost", "changed"), ("setting", "retries", "changed")],
        ),
    ],
    ids=["executor", "run config", "storage", "code", "settings"],
)
def test_what_there_is_one_of_has_changed(changes: dict[str, Any], expected: list[Any]) -> None:
    assert found(**changes) == expected


def test_a_schedule_in_code_is_another_one_when_anything_in_it_changes() -> None:
    six, seven = (schedules.cron(f"0 {hour} * * *") for hour in (6, 7))
    before, after = structure(schedules=[six]), structure(schedules=[six, seven])
    (change,) = differences.changes(before, after)
    assert (change.what, change.how) == ("schedule", "added")
    assert "0 7 * * *" in change.name
    assert [one.how for one in differences.changes(after, structure())] == ["removed", "removed"]


def test_the_summary_lists_what_there_is_one_of() -> None:
    assert (
        summary(executor=executors.ThreadExecutor(workers=2), code_sha256=digest("x"), retries=1)
        == "executor, retries and code changed"
    )
