"""Registering a flow: what the server is told, what is kept where, and what is refused."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from headrace import (
    Client,
    Module,
    ThreadExecutor,
    cron,
    errors,
    every,
    flow,
    task,
    unmapped,
)
from headrace.engine import content
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import storage as wire_storage


@task
def extract(day):
    return [f"{day}-{number}" for number in range(3)]


@task
def clean(row, currency):
    return f"{row}-{currency}"


@task
def load(rows):
    return len(rows)


@task
def fail(word="broken"):
    raise ValueError(word)


@flow(name="daily-sales")
def daily_sales(day: str = "yesterday", currency: str = "EUR"):
    return load(clean.map(extract(day), unmapped(currency)))


@pytest.fixture
def client(http, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    client = Client(http.url, http.token("registrar"))
    client.call(operations.create_project, wire_flows.CreateProject(name="sales"))
    return client


def test_registering_tells_the_server_the_structure_and_prints_where_it_is(client, capsys):
    made = daily_sales.register(project="sales", labels=["gpu"], client=client)
    assert made.created
    line = capsys.readouterr().out
    assert line == f"sales/daily-sales: version 1 {made.url}\n"
    version = client.call(operations.read_version, wire_flows.VersionRef(version_id=made.version_id))
    assert version.structure.labels == sorted(["gpu", socket.gethostname()])
    assert isinstance(version.version.storage, wire_storage.LocalStorage)
    kept = Path(version.version.storage.path).read_bytes()
    content.check(kept, version.structure.content_sha256)
    assert content.unpack(kept).name == "daily-sales"
    assert [each.slug for each in version.structure.tasks] == [
        node.slug for node in daily_sales.graph.order()
    ]


def test_registering_again_makes_a_version_only_if_something_changed(client, capsys):
    daily_sales.register(project="sales", client=client)
    again = daily_sales.register(project="sales", client=client)
    assert (again.created, again.version) == (False, 1)
    assert "unchanged (version 1)" in capsys.readouterr().out
    changed = daily_sales.with_options(executor=ThreadExecutor(workers=2)).register(
        project="sales", client=client
    )
    assert (changed.created, changed.version) == (True, 2)


def test_a_schedule_on_a_flow_with_a_required_parameter_is_refused_with_its_name(client, http, tmp_path):
    @flow(schedule=cron("0 6 * * *"))
    def needy(day: str):
        return load([day])

    with pytest.raises(errors.Invalid, match="its parameter 'day' has no default"):
        needy.register(project="sales", client=client)
    assert not (tmp_path / "home" / "content").exists()
    assert client.call(operations.list_flows, wire_flows.ListFlows()).items == []
    daily = every(timedelta(days=1), parameters={"day": "monday"})
    made = needy.with_options(schedule=[daily]).register(project="sales", client=client)
    assert made.created
    # V8: a default in the flow's settings will do
    settings = wire_flows.UpdateFlow(flow_id=made.flow_id, default_parameters={"day": "tuesday"})
    http.server.call(operations.update_flow, settings)
    assert needy.register(project="sales", client=client).version == 1


def test_each_schedule_of_a_list_is_asked_for_its_parameters(client):
    @flow(schedule=[every(timedelta(days=1), parameters={"day": "monday"}), cron("0 6 * * *")])
    def needy(day: str):
        return load([day])

    with pytest.raises(errors.Invalid, match="'day' has no default"):
        needy.register(project="sales", client=client)


def test_an_unknown_or_missing_project_is_named(client, monkeypatch):
    with pytest.raises(errors.NotFound, match="there is no project 'sale'; did you mean 'sales'"):
        daily_sales.register(project="sale", client=client)
    with pytest.raises(errors.Invalid, match="HEADRACE_PROJECT"):
        daily_sales.register(client=client)
    monkeypatch.setenv("HEADRACE_PROJECT", "sales")
    assert daily_sales.register(client=client).created


def test_a_flow_of_a_module_is_kept_by_its_name(client):
    stored = daily_sales.with_options(storage=Module("my_package.flows", "daily_sales"))
    made = stored.register(project="sales", client=client)
    version = client.call(operations.read_version, wire_flows.VersionRef(version_id=made.version_id))
    assert version.version.storage == wire_storage.ModuleStorage(
        module="my_package.flows", attribute="daily_sales"
    )
    assert version.structure.storage_kind == "module"
    assert version.structure.labels == []


def test_what_cannot_be_described_is_neither_kept_nor_sent(client, tmp_path):
    lock = iter([1])  # an iterator has a form, a generator has none
    running = (number for number in lock)

    @task
    def consume():
        return next(running)

    @flow
    def body():
        return consume()

    with pytest.raises(errors.HeadraceError, match=r"generator|cannot be packed"):
        body.register(project="sales", client=client)
    assert not (tmp_path / "home" / "content").exists()


def test_a_registration_that_is_refused_leaves_no_content_behind(client, tmp_path):
    with pytest.raises(errors.NotFound):
        daily_sales.register(project="sale", client=client)
    assert [path for path in tmp_path.rglob("*") if path.parent.name == "content" and path.is_file()] == []
    daily_sales.register(project="sales", client=client)
    kept = {path for path in tmp_path.rglob("*") if path.parent.name == "content" and path.is_file()}
    with pytest.raises(errors.NotFound):
        daily_sales.register(project="sale", client=client)
    assert (
        {path for path in tmp_path.rglob("*") if path.parent.name == "content" and path.is_file()}
        == kept
        != set()
    )
