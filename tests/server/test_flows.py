"""Registering flows, and what is kept of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from structures import digest, registration, structure

from headrace import errors
from headrace.core import schedules
from headrace.server import flows as server_flows
from headrace.server import projects, tables, versions
from headrace.wire import executors, flows, operations, run_configs, storage
from running import Server

assert server_flows
assert versions
assert projects


@pytest.fixture
def sales(server: Server) -> flows.Project:
    return server.call(operations.create_project, flows.CreateProject(name="sales"))


def register(server: Server, **changes: Any) -> flows.Registered:
    return server.call(operations.register_flow, registration(**changes), server.as_.registrar)


def test_the_first_registration_is_version_one(server: Server, sales: flows.Project) -> None:
    done = register(server)
    assert (done.version, done.created) == (1, True)
    flow = server.call(operations.find_flow, flows.FindFlow(flow="sales/daily"), server.as_.viewer)
    assert (flow.id, flow.project_id, flow.current_version) == (done.flow_id, sales.id, 1)
    assert done.url.endswith(f"/flows/{flow.id}")


@pytest.mark.usefixtures("sales")
def test_registering_the_same_again_makes_no_version_and_keeps_the_newest_content(server: Server) -> None:
    register(server)
    again = register(
        server, content_sha256=digest("other bytes of the same code"), description="now with words"
    )
    assert (again.version, again.created, again.message) == (1, False, "unchanged (version 1)")
    read = server.call(operations.read_version, flows.VersionRef(version_id=again.version_id))
    assert read.version.content_sha256 == digest("other bytes of the same code")
    assert read.structure.description == "now with words"


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"structure_sha256": digest("more tasks")}, "tasks"),
        ({"code_sha256": digest("other code")}, "code"),
        ({"run_config": run_configs.LocalRun(env={"A": "1"})}, "run config"),
        ({"executor": executors.ThreadExecutor(workers=2)}, "executor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_changes_how_a_flow_runs_makes_a_version(
    server: Server, changes: dict[str, Any], word: str
) -> None:
    register(server)
    second = register(server, **changes)
    assert (second.version, second.created) == (2, True)
    assert word in second.message
    back = register(server)
    assert back.version == 3


@pytest.mark.usefixtures("sales")
def test_another_kind_of_storage_makes_a_version(server: Server) -> None:
    register(server)
    other = flows.RegisterFlow(
        structure=structure(), storage=storage.LocalStorage(path="/content/daily", host="here")
    )
    assert server.call(operations.register_flow, other).version == 2


@pytest.mark.usefixtures("sales")
def test_versions_are_listed_newest_first_page_by_page(server: Server) -> None:
    for number in range(5):
        done = register(server, code_sha256=digest(str(number)))
    first = server.call(operations.list_versions, flows.ListVersions(flow_id=done.flow_id, limit=2))
    second = server.call(
        operations.list_versions, flows.ListVersions(flow_id=done.flow_id, limit=10, after=first.next)
    )
    assert [version.number for version in first.items + second.items] == [5, 4, 3, 2, 1]
    assert second.next is None
    assert [version.current for version in first.items] == [True, False]


@pytest.mark.usefixtures("sales")
def test_settings_of_the_flow_survive_a_new_version(server: Server) -> None:
    done = register(server, labels=["from-code"])
    server.call(
        operations.update_flow,
        flows.UpdateFlow(
            flow_id=done.flow_id, labels=["gpu"], default_parameters={"day": "friday"}, paused=True
        ),
    )
    register(server, code_sha256=digest("new"), labels=["other"])
    flow = server.call(operations.read_flow, flows.FlowRef(flow_id=done.flow_id))
    assert (flow.labels, flow.version_labels, flow.default_parameters, flow.paused) == (
        ["gpu"],
        ["other"],
        {"day": "friday"},
        True,
    )


def test_an_unknown_project_is_named_with_the_nearest_one(server: Server, sales: flows.Project) -> None:
    with pytest.raises(errors.NotFound, match=f"'sale'.*did you mean '{sales.name}'"):
        register(server, project="sale")
    assert server.rows(tables.flows) == []


@pytest.mark.usefixtures("sales")
def test_an_unknown_flow_is_named_with_the_nearest_one(server: Server) -> None:
    register(server)
    with pytest.raises(errors.NotFound, match="did you mean 'daily'"):
        server.call(operations.find_flow, flows.FindFlow(project="sales", flow="dayly"))


@pytest.mark.usefixtures("sales")
def test_a_schedule_that_cannot_fill_a_required_parameter_is_refused_with_its_name(server: Server) -> None:
    required = [flows.ParameterSpec(name="day", required=True, schema={"type": "string"})]
    hourly = schedules.cron("0 * * * *")
    with pytest.raises(errors.Invalid, match="'day' has no default"):
        register(server, parameters=required, schedules=[hourly])
    filled = schedules.cron("0 * * * *", parameters={"day": "monday"})
    made = register(server, parameters=required, schedules=[filled])
    assert made.version == 1
    # a default in the flow's settings will do: V8
    settings = flows.UpdateFlow(flow_id=made.flow_id, default_parameters={"day": "tuesday"})
    server.call(operations.update_flow, settings)
    assert register(server, parameters=required, schedules=[hourly]).version == 1


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "a/b"}, "not a name for a flow"),
        ({"name": ""}, "not a name for a flow"),
        ({"labels": ["two words"]}, "two words"),
        ({"edges": [flows.EdgeSpec(upstream="nobody", downstream="load")]}, "nobody → load"),
        (
            {"tasks": [flows.TaskSpec(slug="a", name="a"), flows.TaskSpec(slug="a", name="a")], "edges": []},
            "one slug",
        ),
    ],
)
def test_a_structure_that_makes_no_sense_is_refused(
    server: Server, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(errors.Invalid, match=sentence):
        register(server, **changes)
    assert server.rows(tables.flow_versions) == []


def test_flows_are_listed_by_project_and_name_and_searched(server: Server) -> None:
    for project in ("sales", "ops"):
        server.call(operations.create_project, flows.CreateProject(name=project))
        for name in ("weekly", "daily_100%"):
            register(server, project=project, name=name.replace("%", "-percent"))
    first = server.call(operations.list_flows, flows.ListFlows(limit=3))
    rest = server.call(operations.list_flows, flows.ListFlows(limit=3, after=first.next))
    names = [f"{flow.project}/{flow.name}" for flow in first.items + rest.items]
    assert names == ["ops/daily_100-percent", "ops/weekly", "sales/daily_100-percent", "sales/weekly"]
    found = server.call(operations.list_flows, flows.ListFlows(search="OPS/week"))
    assert [flow.name for flow in found.items] == ["weekly"]
    assert (
        server.call(operations.list_flows, flows.ListFlows(search="y_1")).items[0].name == "daily_100-percent"
    )
    assert server.call(operations.list_flows, flows.ListFlows(search="%")).items == []


def test_a_cursor_of_another_list_is_refused(server: Server) -> None:
    with pytest.raises(errors.Invalid, match="not a cursor"):
        server.call(operations.list_flows, flows.ListFlows(after="bm9uc2Vuc2U="))


def test_a_project_is_deleted_with_all_its_flows_only_when_its_name_is_repeated(
    server: Server, sales: flows.Project
) -> None:
    register(server)
    with pytest.raises(errors.Conflict, match="deletes 1 flows and 0 runs"):
        server.call(operations.delete_project, flows.DeleteProject(project_id=sales.id))
    server.call(operations.delete_project, flows.DeleteProject(project_id=sales.id, confirm="sales"))
    assert (
        server.rows(tables.flows) == server.rows(tables.flow_versions) == server.rows(tables.projects) == []
    )


def test_project_names_are_unique(server: Server, sales: flows.Project) -> None:
    with pytest.raises(errors.Conflict, match="already a project"):
        server.call(operations.create_project, flows.CreateProject(name=sales.name))


def test_times_are_those_of_the_servers_clock(server: Server, sales: flows.Project) -> None:
    assert sales.created_at == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert server.call(operations.list_projects, flows.ListProjects()).items == [sales]
