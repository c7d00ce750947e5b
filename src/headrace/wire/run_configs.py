"""What infrastructure a flow run needs. These are data, so they live here; launchers turn them into workloads.

Values of `env` may hold `${NAME}`: it is resolved by the agent from its own environment, never by the server. What the
agent's policy file does not admit is refused by the agent, whatever stands here.
"""

from typing import Literal

import msgspec

from headrace import wire

#: What is not given here comes from the agent's template, and then from the engine or the cluster.
Cpu = float
#: Bytes with a unit: "512Mi", "2Gi", "1G".
Memory = str


class LocalRun(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """A process on the agent's machine.

    `env` is added to the process's environment; `working_dir` is where it starts (None: the agent's own).
    """

    env: dict[str, str] = {}
    working_dir: str | None = None


class DockerRun(wire.Message, frozen=True, tag="docker", tag_field="kind"):
    """A container of `image` on the agent's machine.

    `cpu` counts cores, `memory` is like "2Gi", `gpus` a number of devices (-1: all). `volumes` are HOST:CONTAINER[:ro|rw].
    """

    image: str
    env: dict[str, str] = {}
    cpu: Cpu | None = None
    memory: Memory | None = None
    gpus: int = 0
    volumes: list[str] = []
    network: str | None = None
    pull: Literal["missing", "always", "never"] = "missing"
    working_dir: str | None = None


class Toleration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets a pod onto nodes with a taint."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: int | None = None


class KubernetesRun(wire.Message, frozen=True, tag="kubernetes", tag_field="kind"):
    """A Job in the agent's cluster.

    `cpu` and `memory` are requested and, where `memory` is given, also the limit; `gpus` are of `gpu_resource`.
    `job_template` names one of the templates that the agent's operator keeps beside it; there is no free patch.
    `deadline_seconds` is how long the Job may take in all.
    """

    image: str | None = None
    env: dict[str, str] = {}
    cpu: Cpu | None = None
    memory: Memory | None = None
    gpus: int = 0
    gpu_resource: str = "nvidia.com/gpu"
    service_account: str | None = None
    image_pull_secrets: list[str] = []
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] | None = None
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deadline_seconds: int | None = None
    job_template: str | None = None


RunConfig = LocalRun | DockerRun | KubernetesRun


def kind(config: RunConfig) -> str:
    """The word by which agents say what they can launch."""
    return str(type(config).__struct_config__.tag)
