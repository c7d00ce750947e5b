"""From an assignment and its run config to a workload: command, environment, directory. Decides; starts nothing."""

import sys
from pathlib import Path

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import place as places
from headrace.launch import policy as policies
from headrace.launch.docker import workloads as containers
from headrace.launch.kubernetes import workloads as pods
from headrace.wire import run_configs, runs


def name_of(assignment: runs.Assignment) -> str:
    """One workload for each fence of a run."""
    return f"{assignment.flow_run_id}-{assignment.fence}"


def workload(handover: run_directory.Handover, place: places.Place, kind: str = "local") -> launch.Workload:
    """What runs this assignment, in a directory of its own, where runs of one kind are launched.

    Raises errors.LaunchError in words.
    """
    config = handover.assignment.run_config
    if run_configs.kind(config) != kind:
        raise errors.LaunchError(
            f"this agent launches {kind} runs; it cannot launch a {run_configs.kind(config)} run."
        )
    name = name_of(handover.assignment)
    match config:
        case run_configs.LocalRun():
            return _process(handover, config, name, place)
        case run_configs.DockerRun():
            return containers.workload(handover, config, name, place)
        case run_configs.KubernetesRun():
            return pods.workload(handover, config, name, place)


def _process(
    handover: run_directory.Handover, config: run_configs.LocalRun, name: str, place: places.Place
) -> launch.Workload:
    """A process on this machine."""
    directory = place.folder / name
    working = Path(place.resolved(config.working_dir)).expanduser() if config.working_dir else None
    asked = policies.Asked(
        variables=config.env,
        references=places.references([*config.env.values(), config.working_dir or ""]),
        working_directory=working,
    )
    place.policy.check(asked)
    return launch.Workload(
        name=name,
        # -P: what lies in the working directory must not stand in for our modules
        command=(sys.executable, "-P", "-m", "headrace.engine.supervisor", str(directory)),
        directory=directory,
        environment={
            **place.environment(handover.server_url),
            **place.for_storage(handover.assignment.storage),
            **{key: place.resolved(value) for key, value in config.env.items()},
        },
        working_directory=working,
        files=run_directory.files(handover),
    )
