"""S16, R6: whatever a run asks for, the container that is asked of the engine keeps to the policy."""

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assigned
from headrace import errors
from headrace.launch import directory, place, plan, policy
from headrace.launch.docker import spec
from headrace.wire import run_configs, storage

OWN = {
    "PATH": "/bin",
    "HOME": "/root",
    "HEADRACE_API_KEY": "the-agents-key",
    "HEADRACE_DATABASE_URL": "the-database",
    "DB_PASSWORD": "given-away",
    "OTHER_SECRET": "not-given-away",
    "LD_PRELOAD": "/agent.so",
    "HTTPS_PROXY": "http://proxy",
    "OTEL_SERVICE_NAME": "runs",
}
RULES = policy.Policy(
    images=("ours/*", "python:3.1?"),
    variables=("*", "LD_LIBRARY_PATH"),
    references=("DB_*",),
    mounts=("/srv/data", "/srv/models:ro", "cache"),
    cpu=4,
    memory="8Gi",
    gpus=2,
    networks=("bridge", "flows-*"),
    docker=policy.DockerDefaults(server_url="http://10.0.0.1:7400", volumes=("/opt/certs:/certs:ro",)),
)


def handover(config: run_configs.RunConfig, content: storage.Storage | None = None) -> directory.Handover:
    return directory.Handover(
        assignment=assigned.assignment(config, content), server_url="http://127.0.0.1:7400"
    )


def container(
    config: run_configs.DockerRun,
    content: storage.Storage | None = None,
    rules: policy.Policy = RULES,
    home: Path = Path("/home/agent"),
) -> dict[str, Any]:
    here = place.Place(folder=Path("/agents/one/runs"), home=home, variables=OWN, policy=rules)
    workload = plan.workload(handover(config, content), here, "docker")
    return spec.container(workload, agent="one-1", user="1000:1000")


NAMES = st.sampled_from(
    [
        "A",
        "DATABASE",
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "http_proxy",
        "HEADRACE_HOME",
        "A=B",
        "A B",
        "",
    ]
) | st.text(max_size=8)
VALUES = st.sampled_from(
    ["x", "${DB_PASSWORD}", "${OTHER_SECRET}", "${HEADRACE_API_KEY}", "$HOME", "${HEADRACE_DATABASE_URL}"]
) | st.text(max_size=8)
VOLUMES = st.sampled_from(
    [
        "/srv/data/a:/data",
        "/srv/models:/models:ro",
        "/srv/models:/models:rw",
        "/srv/data/../../etc:/data",
        "/etc:/etc",
        "/:/host",
        "/var/run/docker.sock:/s",
        "cache:/cache",
        "other:/cache",
        "/srv/data:/headrace/run",
        "/srv/data:/proc",
        "/srv/data:/x/../headrace/run",
        "relative/a:/b",
        "/srv/data:/data:ro,z",
        ":/x",
    ]
) | st.text(max_size=12)
#: What the policy admits.
TAME: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from(["ours/a:1", "python:3.11"]),
    "env": st.dictionaries(
        st.sampled_from(["A", "LD_LIBRARY_PATH"]), st.sampled_from(["x", "${DB_PASSWORD}"])
    ),
    "cpu": st.none() | st.floats(0.01, 4),
    "memory": st.none() | st.sampled_from(["1Gi", "8Gi", "500M"]),
    "gpus": st.integers(0, 2),
    "volumes": st.lists(
        st.sampled_from(["/srv/data/a:/data", "/srv/models:/models:ro", "cache:/c"]), max_size=2
    ),
    "network": st.none() | st.sampled_from(["bridge", "flows-1"]),
    "working_dir": st.none() | st.text(max_size=6),
}
#: What anybody might write.
WILD: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from(["theirs/b", "ours", "ours/../theirs", ""]) | st.text(max_size=8),
    "env": st.dictionaries(NAMES, VALUES, max_size=3)
    | st.dictionaries(st.sampled_from(["A", "B"]), VALUES, min_size=1, max_size=2),
    "cpu": st.floats(allow_nan=True),
    "memory": st.sampled_from(["9Gi", "0", "-1Gi", "1e9", "8193Mi"]) | st.text(max_size=5),
    "gpus": st.integers(-2, 9),
    "volumes": st.lists(VOLUMES, max_size=3),
    "network": st.sampled_from(["host", "container:x", "none", "HOST", "other"]) | st.text(max_size=6),
    "working_dir": st.none() | st.text(max_size=6),
}
#: One thing is wild at a time: otherwise hardly anything would be admitted, and there would be nothing to look at.
CONFIGS = st.sampled_from(sorted(WILD)).flatmap(
    lambda name: st.builds(run_configs.DockerRun, **{**TAME, name: WILD[name]})
)


@settings(max_examples=600, deadline=None)
@given(CONFIGS)
def test_S16_what_is_asked_of_the_engine_keeps_to_the_policy(config: run_configs.DockerRun) -> None:
    """An own reading of the policy, over the body of the request alone."""
    try:
        body = container(config)
    except errors.LaunchError:
        return
    host = body["HostConfig"]
    assert any(fnmatch.fnmatchcase(body["Image"], pattern) for pattern in RULES.images)
    assert (host["Privileged"], host["CapDrop"], host["SecurityOpt"]) == (
        False,
        ["ALL"],
        ["no-new-privileges"],
    )
    assert not {"CapAdd", "Devices", "Binds", "PidMode", "IpcMode", "UsernsMode", "Runtime"} & set(host)
    assert 0 <= host["NanoCpus"] <= 4_000_000_000
    assert 0 < host["Memory"] == host["MemorySwap"] <= 8 * 2**30
    assert all(0 < device["Count"] <= 2 for device in host.get("DeviceRequests", []))
    assert host["NetworkMode"] in ("default", "bridge") or re.fullmatch(
        "flows-.*", host["NetworkMode"], re.DOTALL
    )
    assert body["User"] == "1000:1000"
    assert body["Entrypoint"][:4] == ["python3", "-P", "-m", "headrace.engine.supervisor"]
    own = {f"/agents/one/runs/{assigned.RUN}-3", "/opt/certs"}
    for mount in host["Mounts"]:
        source = Path(mount["Source"])
        below = {Path("/srv/data"), Path("/srv/models")} & {source, *source.parents}
        assert mount["Source"] in own or below or mount["Source"] == "cache"
        assert mount["ReadOnly"] or Path("/srv/models") not in below
        if mount["Source"] not in own:
            assert not mount["Target"].startswith(("/headrace", "/proc", "/sys", "/dev"))
    set_by_us = {"HOME", "HEADRACE_HOME", "HEADRACE_SERVER_URL", "OTEL_SERVICE_NAME"}
    for entry in body["Env"]:
        name, _, _ = entry.partition("=")
        assert name in set_by_us or name == "LD_LIBRARY_PATH" or not _is_protected(name)
    said = repr(body)
    for secret in ("the-agents-key", "the-database", "not-given-away", "/agent.so", "the run's token"):
        assert secret not in said


def _is_protected(name: str) -> bool:
    upper = name.upper()
    return upper.startswith(("LD_", "PYTHON", "HEADRACE_")) or upper == "PATH" or upper.endswith("_PROXY")


def test_what_is_not_asked_for_is_the_most_that_the_policy_gives() -> None:
    host = container(run_configs.DockerRun(image="ours/a"))["HostConfig"]
    assert (host["NanoCpus"], host["Memory"]) == (4_000_000_000, 8 * 2**30)
    free = container(run_configs.DockerRun(image="a"), rules=policy.Policy(docker=RULES.docker))["HostConfig"]
    assert not {"NanoCpus", "Memory", "DeviceRequests"} & set(free)


@pytest.mark.parametrize(("gpus", "count"), [(2, 2), (1, 1)])
def test_gpus_are_asked_for_as_the_engine_has_them(gpus: int, count: int) -> None:
    host = container(run_configs.DockerRun(image="ours/a", gpus=gpus))["HostConfig"]
    assert host["DeviceRequests"] == [{"Count": count, "Capabilities": [["gpu"]]}]


def test_all_gpus_are_asked_for_where_the_policy_has_no_most() -> None:
    rules = policy.Policy(docker=RULES.docker)
    host = container(run_configs.DockerRun(image="a", gpus=-1), rules=rules)["HostConfig"]
    assert host["DeviceRequests"] == [{"Count": -1, "Capabilities": [["gpu"]]}]


def test_content_on_this_machine_is_seen_alone_and_only_where_it_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "content"
    kept.mkdir()
    (kept / "abc").write_text("content")
    (kept / "link").symlink_to("/etc/passwd")
    config = run_configs.DockerRun(image="ours/a")

    def mounts(path: Path | str) -> set[str]:
        body = container(config, storage.LocalStorage(path=str(path), host="h"), home=tmp_path)
        assert all(mount["ReadOnly"] for mount in body["HostConfig"]["Mounts"][1:])
        return {mount["Source"] for mount in body["HostConfig"]["Mounts"][1:]}

    assert mounts(kept / "abc") == {str(kept / "abc"), "/opt/certs"}
    # the run says itself that it is gone
    assert mounts(kept / "gone") == {"/opt/certs"}
    for outside in ("/etc/passwd", kept / "link", kept / ".." / "server" / "headrace.db"):
        with pytest.raises(errors.LaunchError, match="another storage") as refused:
            mounts(outside)
        assert refused.value.reason == "not_admitted"


def test_a_container_is_told_how_containers_reach_the_server() -> None:
    config = run_configs.DockerRun(image="ours/a")
    assert "HEADRACE_SERVER_URL=http://10.0.0.1:7400" in container(config)["Env"]
    with pytest.raises(errors.LaunchError, match="its own address"):
        container(config, rules=policy.Policy())
    shared = policy.Policy(docker=policy.DockerDefaults(network="host"))
    assert container(config, rules=shared)["HostConfig"]["NetworkMode"] == "host"
