"""R6, F50: what the engine is asked for, by an engine that records it; runs that wait for a slow pull."""

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import Machine, eventually, machine_of, writes
from engine_fake import FakeEngine
from headrace import errors, launch
from headrace.core.states import StateType
from headrace.launch import place
from headrace.launch.docker import launcher
from headrace.wire import run_configs
from http_client import Http


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    # a socket's path may not be long
    with tempfile.TemporaryDirectory() as folder:
        made = FakeEngine(Path(folder) / "engine.sock")
        yield made
        made.close()


def _launcher(engine: FakeEngine, home: Path) -> launcher.DockerLauncher:
    variables = {"DOCKER_HOST": engine.url, "DOCKER_CONFIG": str(home)}
    here = place.Place(folder=home / "one" / "runs", home=home, variables=variables)
    return launcher.DockerLauncher(here, name="one")


def _workload(home: Path, **given: Any) -> launch.Workload:
    config = run_configs.DockerRun(**{"image": "reg.example.com/a:1", **given})
    wanted = launch.Container(config.image, gpus=config.gpus, config=config)
    return launch.Workload("one-1", ("true",), home / "one" / "runs" / "one-1", {}, container=wanted)


@pytest.mark.parametrize(("gpus", "asked"), [(0, None), (2, [{"Count": 2, "Capabilities": [["gpu"]]}])])
def test_gpus_are_asked_of_the_engine(
    engine: FakeEngine, tmp_path: Path, gpus: int, asked: list[Any] | None
) -> None:
    engine.images.add("reg.example.com/a:1")
    states = list(_launcher(engine, tmp_path).start(_workload(tmp_path, gpus=gpus)))
    assert states[-1].handle == {"container": "one"}
    assert engine.bodies("/containers/create")[0]["HostConfig"].get("DeviceRequests") == asked


def test_an_image_that_is_there_is_not_pulled_unless_always(engine: FakeEngine, tmp_path: Path) -> None:
    engine.images.add("reg.example.com/a:1")
    engine.may_pull.set()
    for number, pull in enumerate(("missing", "never", "always")):
        home = tmp_path / str(number)
        list(_launcher(engine, home).start(_workload(home, pull=pull)))
    assert len(engine.bodies("/images/create")) == 1


def test_a_registry_is_shown_the_credentials_of_docker_login(engine: FakeEngine, tmp_path: Path) -> None:
    kept = {"reg.example.com": {"auth": base64.b64encode(b"me:pass:word").decode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": kept}))
    engine.may_pull.set()
    list(_launcher(engine, tmp_path).start(_workload(tmp_path)))
    ((path, headers),) = [(p, h) for _, p, h, _ in engine.asked if p.startswith("/images/create")]
    assert path == "/images/create?fromImage=reg.example.com%2Fa&tag=1"
    shown = json.loads(base64.urlsafe_b64decode(headers["X-Registry-Auth"]))
    assert (shown["username"], shown["password"]) == ("me", "pass:word")
    other = tmp_path / "other"
    list(_launcher(engine, other).start(_workload(other, image="elsewhere.example.com/a")))
    assert "X-Registry-Auth" not in engine.asked[-4][2]


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        ("a", "fromImage=a&tag=latest"),
        ("localhost:5000/a", "fromImage=localhost%3A5000%2Fa&tag=latest"),
        ("localhost:5000/a:2", "fromImage=localhost%3A5000%2Fa&tag=2"),
        ("a@sha256:0f", "fromImage=a&tag=sha256%3A0f"),
    ],
)
def test_an_image_is_asked_for_by_its_tag_or_digest(
    engine: FakeEngine, tmp_path: Path, image: str, asked: str
) -> None:
    engine.may_pull.set()
    list(_launcher(engine, tmp_path).start(_workload(tmp_path, image=image)))
    assert any(path == f"/images/create?{asked}" for _, path, _, _ in engine.asked)


def test_a_pull_that_breaks_off_is_told_in_the_registrys_words(engine: FakeEngine, tmp_path: Path) -> None:
    engine.pull_error = "toomanyrequests: wait an hour."
    engine.may_pull.set()
    with pytest.raises(errors.LaunchError, match="wait an hour") as refused:
        list(_launcher(engine, tmp_path).start(_workload(tmp_path)))
    assert refused.value.reason == "image_missing"


def test_in_a_rootless_engine_the_agents_user_is_called_0(engine: FakeEngine, tmp_path: Path) -> None:
    engine.images.add("reg.example.com/a:1")
    engine.security = ["name=seccomp,profile=default", "name=rootless"]
    list(_launcher(engine, tmp_path).start(_workload(tmp_path)))
    assert engine.bodies("/containers/create")[0]["User"] == "0:0"


def test_a_socket_that_is_no_engines_is_told(tmp_path: Path) -> None:
    for url in ("ssh://somewhere", "npipe:////./pipe", "unix://"):
        here = place.Place(folder=tmp_path / "a" / "runs", home=tmp_path, variables={"DOCKER_HOST": url})
        with pytest.raises(errors.SettingsError, match="DOCKER_HOST"):
            launcher.DockerLauncher(here, name="one")


@pytest.fixture
def machine(
    http: Http, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'docker = {{ server_url = "http://10.0.0.1:1" }}\nmounts = ["{tmp_path}"]')
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    with machine_of(http, tmp_path / "home") as machine:
        machine.policy = str(policy)
        yield machine


def test_F50_a_slow_pull_holds_up_nobody_and_ends_when_its_run_is_cancelled(
    machine: Machine, engine: FakeEngine
) -> None:
    config = run_configs.DockerRun(image="slow/image:1")
    first = machine.start(writes, parameters={"path": "x"}, run_config=config)
    second = machine.start(writes, parameters={"path": "x"}, run_config=config)
    machine.start_agent(launch="docker")
    for run in (first, second):
        eventually(lambda run=run: machine.client.read_flow_run(run.id).state.name == "PullingImage")
    found = machine.client.read_flow_run(first.id)
    assert found.waits is not None
    assert found.waits.sentence == "The agent one is launching it: the engine pulls slow/image:1."
    machine.client.cancel_flow_run(first.id)
    eventually(engine.pull_broken.is_set)
    eventually(lambda: not list((machine.home / "agents" / "one" / "runs").glob(f"{first.id}-*")))
    assert machine.client.read_flow_run(first.id).state.type is StateType.CANCELLED
    assert machine.client.read_flow_run(second.id).state.name == "PullingImage"
    machine.client.cancel_flow_run(second.id)
