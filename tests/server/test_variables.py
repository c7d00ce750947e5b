"""R18 on the server: values with a history, by project, edited by one at a time, and as a run sees them."""

import threading
from typing import Any
from uuid import UUID

import pytest
from lifecycles import Life

from headrace import errors
from headrace.server import tables, variables  # noqa: F401 - its handlers
from headrace.wire import flows, operations, runs
from headrace.wire import variables as wire
from http_client import Http
from running import Server


class Scene:
    """A server with a project, whose member edits variables."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.life = Life(server)

    def set(self, name: str, value: Any, **given: Any) -> wire.Variable:
        request = wire.SetVariable(name=name, value=value, **given)
        return self.server.call(operations.set_variable, request, self.server.as_.member)

    def delete(self, name: str, **given: Any) -> None:
        request = wire.DeleteVariable(name=name, **given)
        self.server.call(operations.delete_variable, request, self.server.as_.member)

    def read(self, name: str, project: str = "") -> wire.Variable:
        request = wire.ReadVariable(name=name, project=project)
        return self.server.call(operations.read_variable, request, self.server.as_.viewer)

    def names(self, **given: Any) -> list[tuple[str, str]]:
        request = wire.ListVariables(**given)
        found = self.server.call(operations.list_variables, request, self.server.as_.viewer).items
        return [(each.name, each.project) for each in found]

    def history(self, name: str, **given: Any) -> list[tuple[int, Any, bool, str]]:
        request = wire.ListVariableVersions(name=name, **given)
        found = self.server.call(operations.list_variable_versions, request, self.server.as_.viewer).items
        return [(each.version, each.value, each.deleted, each.by) for each in found]

    def as_run(self, held: runs.Assignment, name: str) -> wire.RunVariable:
        request = wire.ReadRunVariable(flow_run_id=held.flow_run_id, fence=held.fence, name=name)
        return self.server.call(operations.read_run_variable, request, self.life.by(held))


@pytest.fixture
def scene(server: Server) -> Scene:
    return Scene(server)


def test_R18_a_variable_is_any_json(scene: Scene) -> None:
    values: list[Any] = ["eu", 3, 2.5, True, None, [1, {"a": None}], {"rows": 1000}, "", "null"]
    for version, value in enumerate(values, 1):
        made = scene.set("region", value, description="where")
        assert (made.value, made.version, made.updated_by, made.description) == (
            value,
            version,
            "member",
            "where",
        )
        assert scene.read("region") == made


def test_its_history_says_who_made_it_what(scene: Scene) -> None:
    scene.set("rows", 10)
    changed = scene.server.call(
        operations.set_variable, wire.SetVariable(name="rows", value=20), scene.server.as_.administrator
    )
    assert (changed.version, changed.created_by, changed.updated_by) == (2, "member", "administrator")
    scene.delete("rows")
    with pytest.raises(errors.NotFound, match="there is no variable 'rows'"):
        scene.read("rows")
    with pytest.raises(errors.NotFound):
        scene.delete("rows")
    assert scene.names() == []
    assert scene.set("rows", None).version == 4
    assert scene.history("rows") == [
        (4, None, False, "member"),
        (3, None, True, "member"),
        (2, 20, False, "administrator"),
        (1, 10, False, "member"),
    ]
    page = scene.server.call(
        operations.list_variable_versions, wire.ListVariableVersions(name="rows", limit=3)
    )
    request = wire.ListVariableVersions(name="rows", after=page.next)
    assert [each.version for each in scene.server.call(operations.list_variable_versions, request).items] == [
        1
    ]


def test_who_edits_what_has_changed_is_told(scene: Scene) -> None:
    scene.set("rows", 10, expected_version=0)
    with pytest.raises(errors.Conflict, match="has version 1 by now"):
        scene.set("rows", 11, expected_version=0)
    scene.set("rows", 12, expected_version=1)
    with pytest.raises(errors.Conflict, match="has version 2 by now") as told:
        scene.delete("rows", expected_version=1)
    assert told.value.facts["version"] == 2
    scene.delete("rows", expected_version=2)
    with pytest.raises(errors.Conflict, match="is not there"):
        scene.set("rows", 13, expected_version=3)
    assert scene.set("rows", 13, expected_version=0).version == 4
    assert scene.read("rows").value == 13


def test_a_project_has_its_own(scene: Scene) -> None:
    scene.server.call(operations.create_project, flows.CreateProject(name="lab"))
    scene.set("region", "everywhere")
    scene.set("region", "sales alone", project="sales")
    scene.set("only", 1, project="lab")
    assert scene.read("region").value == "everywhere"
    assert scene.read("region", "sales").value == "sales alone"
    assert (scene.read("region", "lab").value, scene.read("region", "lab").project) == ("everywhere", "")
    assert scene.names() == [("only", "lab"), ("region", ""), ("region", "sales")]
    assert scene.names(project="sales") == [("region", ""), ("region", "sales")]
    assert scene.names(search="nl") == [("only", "lab")]
    assert len(scene.history("region", project="sales")) == 1
    scene.delete("region", project="sales")
    assert scene.read("region", "sales").value == "everywhere"
    with pytest.raises(errors.NotFound, match="did you mean 'sales'"):
        scene.set("region", 1, project="sale")
    with pytest.raises(errors.NotFound, match="did you mean 'region'"):
        scene.read("regon")


def test_a_list_is_a_page_after_the_other(scene: Scene) -> None:
    for name in ("a", "b", "c"):
        scene.set(name, 1)
        scene.set(name, 2, project="sales")
    first = scene.server.call(operations.list_variables, wire.ListVariables(limit=4))
    assert scene.names(after=first.next) == [("c", ""), ("c", "sales")]


def test_what_is_no_variable_is_refused(sqlite_server: Server) -> None:
    scene = Scene(sqlite_server)
    with pytest.raises(errors.Invalid, match="no name for a variable"):
        scene.set("Region", 1)
    with pytest.raises(errors.Invalid, match="too large: at most 65536 bytes"):
        scene.set("rows", "x" * 65536)
    with pytest.raises(errors.Invalid, match="a description has"):
        scene.set("rows", 1, description="\x00")
    assert "sounds like a secret" in scene.set("db_password", 1).warning
    assert scene.set("region", 1).warning == ""


def test_a_run_sees_what_it_saw_first(scene: Scene) -> None:
    held = scene.life.running()
    scene.set("region", "eu")
    assert scene.as_run(held, "region").value == "eu"
    missing = scene.as_run(held, "rows")
    assert (missing.version, missing.value) == (0, None)
    scene.set("region", "us")
    scene.set("region", "sales", project="sales")
    scene.set("rows", 10)
    again = scene.as_run(held, "region")
    assert (again.value, again.version, again.project) == ("eu", 1, "")
    assert scene.as_run(held, "rows").version == 0
    scene.delete("region")
    assert scene.as_run(held, "region").value == "eu"
    other = scene.life.running()
    assert (scene.as_run(other, "region").value, scene.as_run(other, "region").project) == ("sales", "sales")
    assert scene.as_run(other, "rows").value == 10
    request = wire.ListRunVariables(flow_run_id=held.flow_run_id)
    read = scene.server.call(operations.list_run_variables, request, scene.server.as_.viewer).items
    assert [(each.name, each.version, each.value) for each in read] == [
        ("region", 1, "eu"),
        ("rows", 0, None),
    ]


def test_a_run_reads_for_itself_alone(scene: Scene) -> None:
    held, other = scene.life.running(), scene.life.running()
    request = wire.ReadRunVariable(flow_run_id=held.flow_run_id, fence=held.fence, name="region")
    with pytest.raises(errors.Forbidden):
        scene.server.call(operations.read_run_variable, request, scene.life.by(other))
    with pytest.raises(errors.Invalid):
        scene.as_run(held, "Region")
    with pytest.raises(errors.NotFound):
        scene.server.call(operations.list_run_variables, wire.ListRunVariables(flow_run_id=UUID(int=1)))


def test_two_who_make_one_at_once_make_two_versions(scene: Scene) -> None:
    ready = threading.Barrier(4)

    def make(number: int) -> None:
        ready.wait(20)
        scene.set("rows", number)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    history = scene.history("rows")
    assert [version for version, *_ in history] == [4, 3, 2, 1]
    assert sorted(value for _, value, *_ in history) == [0, 1, 2, 3]
    assert scene.read("rows").value == history[0][1]


def test_they_go_with_their_project(scene: Scene) -> None:
    scene.server.call(operations.create_project, flows.CreateProject(name="lab"))
    scene.set("rows", 1, project="lab")
    scene.set("rows", 2)
    scene.server.write(
        lambda call: call.connection.execute(tables.projects.delete().where(tables.projects.c.name == "lab"))
    )
    assert scene.names() == [("rows", "")]
    assert len(scene.server.rows(tables.variable_versions)) == 1


def test_the_audit_log_has_both_values(scene: Scene) -> None:
    scene.set("rows", 10)
    scene.set("rows", 20)
    scene.delete("rows")
    every = scene.server.rows(tables.audit)
    (gone,) = [each for each in every if each.operation == "delete_variable"]
    assert (gone.object_kind, gone.object_name, gone.before) == (
        "variable",
        "rows",
        {"value": 20, "version": 2},
    )
    entries = [each for each in every if each.operation == "set_variable"]
    assert [(each.details["value"], each.before) for each in sorted(entries, key=lambda each: each.id)] == [
        (10, None),
        (20, {"value": 10, "version": 1}),
    ]


def test_only_who_may_run_flows_edits(http: Http) -> None:
    body = {"name": "rows", "value": 1}
    for role, status in (("viewer", 403), ("agent", 403), ("run", 403), ("member", 200)):
        assert http.request("POST", "/api/variables", body, token=http.token(role)).status == status
    assert http.request("GET", "/api/variables/rows", token=http.token("viewer")).json["value"] == 1
    assert http.request("GET", "/api/variables/rows", token=http.token("run")).status == 403
