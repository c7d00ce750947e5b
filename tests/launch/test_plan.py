"""From an assignment to a workload."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import assigned
from headrace import errors
from headrace.launch import directory, place, plan
from headrace.launch.policy import Policy
from headrace.wire import run_configs, storage


def _handover(config: run_configs.RunConfig) -> directory.Handover:
    content = storage.LocalStorage(path="/c", host="h")
    return directory.Handover(assignment=assigned.assignment(config, content), server_url="http://server")


def _plan(config: Any, policy: Policy | None = None, **variables: str) -> Any:
    here = place.Place(
        folder=Path("/runs"),
        home=Path("/home"),
        variables={"PATH": "/bin", **variables},
        policy=policy or Policy(),
    )
    return plan.workload(_handover(config), here)


def test_a_workload_is_named_by_run_and_fence() -> None:
    workload = _plan(run_configs.LocalRun())
    assert workload.name == f"{assigned.RUN}-3"
    assert workload.directory == Path("/runs") / workload.name


def test_only_what_is_on_the_list_is_passed_on() -> None:
    found = _plan(
        run_configs.LocalRun(), LC_ALL="C", SECRET="no", HEADRACE_API_KEY="no", AWS_KEY="no"
    ).environment
    assert found == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "HEADRACE_HOME": "/home",
        "HEADRACE_SERVER_URL": "http://server",
    }


def test_names_are_resolved_from_the_agents_environment() -> None:
    config = run_configs.LocalRun(
        env={"URL": "db://${USER_NAME}:${PASS}@h"}, working_dir="/data/${USER_NAME}"
    )
    workload = _plan(config, USER_NAME="u", PASS="p")
    assert workload.environment["URL"] == "db://u:p@h"
    assert workload.working_directory == Path("/data/u")


@pytest.mark.parametrize(
    "name", ["HEADRACE_API_KEY", "HEADRACE_API_KEY_FILE", "HEADRACE_SECRET_KEY", "MISSING"]
)
def test_what_is_missing_or_the_agents_own_is_named(name: str) -> None:
    config = run_configs.LocalRun(env={"X": f"${{{name}}}"})
    with pytest.raises(errors.LaunchError, match=name):
        _plan(config, HEADRACE_API_KEY="k", HEADRACE_API_KEY_FILE="f", HEADRACE_SECRET_KEY="s")


def test_another_kind_of_run_config_is_refused() -> None:
    with pytest.raises(errors.LaunchError, match="docker"):
        _plan(run_configs.DockerRun(image="i"))


def test_the_token_travels_in_the_handover_alone() -> None:
    workload = _plan(run_configs.LocalRun())
    assert "token" not in repr(workload.command) + repr(workload.environment)
    assert b"the run's token" in workload.files[directory.HANDOVER]


def test_S16_the_policy_has_the_last_word_on_processes() -> None:
    for config, named in (
        (run_configs.LocalRun(env={"LD_PRELOAD": "/x.so"}), "LD_PRELOAD"),
        (run_configs.LocalRun(working_dir="/etc"), "/etc"),
        (run_configs.LocalRun(env={"A": "${OTHER}"}), "OTHER"),
    ):
        with pytest.raises(errors.LaunchError, match=named) as refused:
            _plan(config, Policy(working_directories=("/srv",), references=("MINE",)), OTHER="o")
        assert refused.value.reason == "not_admitted"
    allowed = Policy(working_directories=("/srv",), references=("MINE",))
    workload = _plan(run_configs.LocalRun(env={"A": "${MINE}"}, working_dir="/srv/a"), allowed, MINE="m")
    assert workload.environment["A"] == "m"


def test_S16_a_flows_storage_gets_no_variable_that_the_policy_keeps() -> None:
    handover = _handover(run_configs.LocalRun())
    content = storage.GitStorage(url="https://h/r", commit="c", path="f.py", flow="f", token_variable="TOKEN")
    asked = msgspec.structs.replace(
        handover, assignment=msgspec.structs.replace(handover.assignment, storage=content)
    )

    def given(rules: Policy) -> dict[str, str]:
        here = place.Place(folder=Path("/runs"), home=Path("/home"), variables={"TOKEN": "t"}, policy=rules)
        return plan.workload(asked, here).environment

    assert given(Policy())["TOKEN"] == "t"
    assert "TOKEN" not in given(Policy(references=("DB_*",)))
