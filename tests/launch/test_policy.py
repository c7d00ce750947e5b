"""S16: the agent's policy file has the last word."""

from pathlib import Path

import pytest

from headrace import errors
from headrace.launch import Mount, policy
from headrace.launch.policy import Asked, Policy


def refused(rules: Policy, **asked: object) -> str:
    """What is said of it; nothing when it is admitted."""
    try:
        rules.check(Asked(**asked))  # type: ignore[arg-type]
    except errors.LaunchError as error:
        return error.message if error.reason == "not_admitted" else "without its code"
    return ""


def test_without_a_file_nothing_of_the_machine_is_shared() -> None:
    rules = policy.load("")
    assert not refused(rules, image="anything:1", cpu=64.0, memory=2**40, gpus=-1, network="bridge")
    assert not refused(rules, variables=["A", "DATABASE_URL"], working_directory=Path("/srv"))
    for mounted in ("/etc", "/", "/var/run/docker.sock", "volume"):
        assert mounted in refused(rules, mounts=[Mount(mounted, "/x")])
    for network in ("host", "container:other", "their-network"):
        assert network in refused(rules, network=network)
    assert "service account" in refused(rules, service_account="default")
    assert "namespace" in refused(rules, namespace="kube-system")


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "PATH",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "HTTPS_PROXY",
        "https_proxy",
        "GIT_SSH_COMMAND",
        "HEADRACE_HOME",
        "HEADRACE_API_KEY",
        "BASH_ENV",
        "",
        "A=B",
        "A\nB",
    ],
)
def test_protected_variables_are_not_set_by_a_pattern_for_all(name: str) -> None:
    assert refused(Policy(variables=("*", "?*", "[A-Z]*")), variables=[name])


def test_protected_variables_are_set_where_they_are_listed_just_so() -> None:
    rules = Policy(variables=("PATH", "LD_*", "http_proxy"))
    assert not refused(rules, variables=["PATH", "LD_LIBRARY_PATH", "http_proxy"])
    assert "PYTHONPATH" in refused(rules, variables=["PYTHONPATH"])
    assert "OTHER" in refused(rules, variables=["OTHER"])
    listed = Policy(variables=("HEADRACE_API_KEY", "HEADRACE_*"), references=("*", "HEADRACE_API_KEY"))
    assert refused(listed, variables=["HEADRACE_API_KEY"])
    assert refused(listed, references=["HEADRACE_API_KEY"])
    assert refused(listed, references=["HEADRACE_DATABASE_URL_FILE"])


def test_the_agents_own_variables_are_given_as_listed() -> None:
    rules = Policy(references=("DB_*",))
    assert not refused(rules, references=["DB_PASSWORD"])
    assert "AWS_SECRET_ACCESS_KEY" in refused(rules, references=["AWS_SECRET_ACCESS_KEY"])


def test_a_mount_is_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    rules = Policy(mounts=(f"{tmp_path}/data", "/srv/models:ro", "cache-*"))
    assert not refused(rules, mounts=[Mount(f"{tmp_path}/data/sub", "/d", read_only=False)])
    assert not refused(rules, mounts=[Mount("/srv/models/a", "/m"), Mount("cache-1", "/c", read_only=False)])
    for source in ("data/out", "data/../other", "data2", "."):
        assert refused(rules, mounts=[Mount(f"{tmp_path}/{source}", "/d")])
    assert refused(rules, mounts=[Mount("/srv/models", "/m", read_only=False)])
    assert refused(rules, mounts=[Mount("other-volume", "/m")])


def test_sizes_have_a_most() -> None:
    rules = Policy(cpu=2, memory="1Gi", gpus=1)
    assert not refused(rules, cpu=2.0, memory=2**30, gpus=1)
    assert "3 cores" in refused(rules, cpu=3.0)
    assert "1Gi" in refused(rules, memory=2**30 + 1)
    assert "2 GPUs" in refused(rules, gpus=2)
    assert "all GPUs" in refused(rules, gpus=-1)
    for nonsense in (0.0, -1.0, float("nan"), float("inf")):
        assert refused(rules, cpu=nonsense)


def test_a_process_starts_below_the_listed_folders(tmp_path: Path) -> None:
    rules = Policy(working_directories=(str(tmp_path),))
    assert not refused(rules, working_directory=tmp_path / "a")
    assert refused(rules, working_directory=tmp_path / "..")


def test_all_that_is_not_admitted_is_named_at_once() -> None:
    said = refused(Policy(images=("ours/*",)), image="theirs/x", variables=["PATH"], gpus=0, network="host")
    assert "the image theirs/x, the network host, the variable PATH" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("images = 3", "images"),
        ("imges = ['a']", "imges"),
        ("images = [", "policy"),
        ("memory = 'much'", "much"),
        ("mounts = ['a/b']", "a/b"),
    ],
)
def test_a_file_that_says_nothing_clear_stops_the_agent(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(content)
    with pytest.raises(errors.SettingsError, match=said):
        policy.load(str(path))


def test_a_file_that_is_not_there_stops_the_agent(tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match=r"nowhere\.toml"):
        policy.load(str(tmp_path / "nowhere.toml"))


def test_the_example_in_the_docs_is_a_policy(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs" / "agents.md"
    example = docs.read_text().partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "policy.toml"
    path.write_text(example)
    rules = policy.load(str(path))
    assert rules.memory_bytes == 16 * 2**30
    assert rules.docker.network
