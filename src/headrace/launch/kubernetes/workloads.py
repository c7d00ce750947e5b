"""From an assignment and its KubernetesRun to a workload, as far as the policy admits it."""

import msgspec

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import place as places
from headrace.launch import policy as policies
from headrace.launch import sizes
from headrace.launch.kubernetes import jobs
from headrace.wire import run_configs, storage


def workload(
    handover: run_directory.Handover, config: run_configs.KubernetesRun, name: str, place: places.Place
) -> launch.Workload:
    """Raises errors.LaunchError in words: for what the policy does not admit, and for what cannot work."""
    policy, assignment = place.policy, handover.assignment
    memory = None if config.memory is None else sizes.memory(config.memory)
    policy.check(
        policies.Asked(
            image=config.image,
            variables=config.env,
            references=places.references(config.env.values()),
            cpu=config.cpu,
            memory=memory,
            gpus=config.gpus,
            service_account=config.service_account,
        )
    )
    if problems := [*policy.kubernetes.problems(config), *_impossible(config)]:
        raise errors.LaunchError(
            f"the policy of this agent does not admit {', '.join(problems)}. Change the run config, or let the agent's"
            " operator add it to the policy file, under [kubernetes].",
            reason="not_admitted",
        )
    server_url = policy.kubernetes.server_url or handover.server_url
    seen = msgspec.structs.replace(handover, server_url=places.reachable(server_url, "pod", "kubernetes"))
    return launch.Workload(
        name=name,
        command=(),
        directory=place.folder / name,
        environment={
            **place.anywhere(seen.server_url),
            **place.for_storage(assignment.storage),
            **{key: place.resolved(value) for key, value in config.env.items()},
        },
        files=run_directory.files(seen),
        container=launch.Container(
            image=config.image or "",
            cpu=config.cpu,
            memory=memory,
            gpus=config.gpus,
            mounts=_content(assignment.storage),
            labels={
                jobs.RUN: str(assignment.flow_run_id),
                jobs.FENCE: str(assignment.fence),
                jobs.NAME: f"{assignment.project}/{assignment.flow}: {assignment.name}",
            },
            config=config,
        ),
    )


def _impossible(config: run_configs.KubernetesRun) -> list[str]:
    found: list[str] = []
    if config.gpus < 0:
        found.append("all GPUs: a pod has a number of them")
    if config.deadline_seconds is not None and config.deadline_seconds <= 0:
        found.append(f"a deadline of {config.deadline_seconds} s")
    return found


def _content(reference: storage.Storage) -> tuple[launch.Mount, ...]:
    """What of the machine the pod would have to see."""
    return (
        (launch.Mount(reference.path, reference.path),) if isinstance(reference, storage.LocalStorage) else ()
    )
