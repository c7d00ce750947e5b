"""From typed fields to a Job's manifest. Pure: a run config adds to a template, and can say nothing but its fields.

What the template says, the run config's fields replace; node selectors, labels and annotations are added to the
template's and replace none of them. What concerns safety comes from the template alone.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace import errors
from headrace.launch.kubernetes import templates
from headrace.wire import run_configs

#: Labels of all that an agent makes, by which it finds it again.
RUN, FENCE, AGENT = "headrace.dev/run", "headrace.dev/fence", "headrace.dev/agent"
#: What people see of a Job: the run's name.
NAME = "headrace.dev/name"
#: The run's own directory, and the handover, in its container.
FOLDER, HANDOVER = "/headrace", "/var/run/headrace"
#: Keys of the Secret: the handover, and this with a variable's name behind it.
HANDOVER_KEY, VARIABLE_KEY = "handover.json", "env-"
#: Seconds after which a finished Job is removed by the cluster, where its agent has not come back to do it.
FORGOTTEN_SECONDS = 7 * 24 * 3600
#: Where the run's supervisor leaves how it ended.
TERMINATION = "/dev/termination-log"
#: Who the run is, where neither template nor image says it.
ACCOUNT = 1000

Manifest = templates.Manifest


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One Job: `name` is made from the run and its fence, `variables` are those of its Secret.

    `memory` is the run config's in bytes; `most_…` are the limits of what neither it nor the template limits.
    """

    name: str
    labels: dict[str, str]
    title: str
    config: run_configs.KubernetesRun
    variables: tuple[str, ...] = ()
    grace_seconds: int = 30
    memory: int | None = None
    most_cpu: float | None = None
    most_memory: int | None = None


def name_of(workload: str) -> str:
    """The Job's and its Secret's name: of a run and a fence there is one."""
    return f"headrace-{workload}"


def label(name: str) -> str:
    """Any name as a label's value: what may stand there of it, and a hash where something had to go."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:50].strip("-._")
    return kept if kept == name else f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:10]}".lstrip("-")


def manifest(wanted: Wanted, template: Manifest) -> Manifest:
    """The Job. `template` is changed and becomes part of it. Raises errors.LaunchError when there is no image."""
    config = wanted.config
    job = template
    job["apiVersion"], job["kind"] = "batch/v1", "Job"
    described: Manifest = job.setdefault("metadata", {})
    described.pop("generateName", None)
    described.pop("namespace", None)
    described["name"] = wanted.name
    pod = templates.pod_of(job)
    for metadata in (described, pod.setdefault("metadata", {})):
        metadata["labels"] = {**config.labels, **metadata.get("labels", {}), **wanted.labels}
        metadata["annotations"] = {
            **config.annotations,
            **metadata.get("annotations", {}),
            NAME: wanted.title,
        }
    spec: Manifest = job["spec"]
    spec |= {"parallelism": 1, "completions": 1, "backoffLimit": 0}
    spec.setdefault("ttlSecondsAfterFinished", FORGOTTEN_SECONDS)
    if config.deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = config.deadline_seconds
    _fill_pod(pod.setdefault("spec", {}), wanted)
    return job


def secret(wanted: Wanted, owner: str, handover: bytes, variables: Mapping[str, str]) -> Manifest:
    """What the run is told. It belongs to the Job with the uid `owner`, and is deleted with it."""
    values = {HANDOVER_KEY: handover} | {
        f"{VARIABLE_KEY}{name}": value.encode() for name, value in variables.items()
    }
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": wanted.name, "uid": owner}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": wanted.name, "labels": wanted.labels, "ownerReferences": [reference]},
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }


def _fill_pod(pod: Manifest, wanted: Wanted) -> None:
    config = wanted.config
    pod["restartPolicy"] = "Never"
    pod["terminationGracePeriodSeconds"] = max(
        wanted.grace_seconds, pod.get("terminationGracePeriodSeconds", 0)
    )
    pod.setdefault("automountServiceAccountToken", False)
    pod.setdefault("enableServiceLinks", False)
    if config.service_account is not None:
        pod["serviceAccountName"] = config.service_account
    if config.image_pull_secrets:
        named = [{"name": name} for name in config.image_pull_secrets]
        pod["imagePullSecrets"] = _added(pod.get("imagePullSecrets"), named)
    if config.node_selector:
        pod["nodeSelector"] = {**config.node_selector, **pod.get("nodeSelector", {})}
    if config.tolerations:
        pod["tolerations"] = _added(
            pod.get("tolerations"), [_toleration(item) for item in config.tolerations]
        )
    pod["securityContext"] = _completed(
        pod.get("securityContext"),
        {
            "runAsNonRoot": True,
            "runAsUser": ACCOUNT,
            "runAsGroup": ACCOUNT,
            "fsGroup": ACCOUNT,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    )
    own: list[Manifest] = [
        {"name": "headrace", "emptyDir": {}},
        {"name": "headrace-tmp", "emptyDir": {}},
        {
            "name": "headrace-handover",
            "secret": {
                "secretName": wanted.name,
                "defaultMode": 0o440,
                "items": [{"key": HANDOVER_KEY, "path": HANDOVER_KEY}],
            },
        },
    ]
    pod["volumes"] = _replaced(pod.get("volumes"), own, "name")
    _fill_container(templates.container_of(pod), wanted)


def _fill_container(container: Manifest, wanted: Wanted) -> None:
    config = wanted.config
    image = config.image or container.get("image")
    if not image:
        raise errors.LaunchError(
            "neither the run config nor the agent's job template names an image: give KubernetesRun(image=…)."
        )
    container["image"] = image
    if config.image_pull_policy is not None:
        container["imagePullPolicy"] = config.image_pull_policy
    container.setdefault("command", ["python3"])
    # -P: what lies in the working directory must not stand in for our modules
    container["args"] = ["-P", "-m", "headrace.engine.pod", HANDOVER, FOLDER]
    container.setdefault("workingDir", FOLDER)
    home = {"HOME": FOLDER, "USER": "headrace", "HEADRACE_HOME": f"{FOLDER}/home"}
    given = {name: {"key": f"{VARIABLE_KEY}{name}", "name": wanted.name} for name in wanted.variables}
    container["env"] = _replaced(
        _replaced(
            [{"name": name, "value": value} for name, value in home.items()], container.get("env"), "name"
        ),
        [{"name": name, "valueFrom": {"secretKeyRef": key}} for name, key in given.items()],
        "name",
    )
    container["resources"] = _resources(container.get("resources") or {}, wanted)
    container["securityContext"] = _completed(
        container.get("securityContext"),
        {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    )
    own: list[Manifest] = [
        {"name": "headrace", "mountPath": FOLDER},
        {"name": "headrace-tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
        {"name": "headrace-handover", "mountPath": HANDOVER, "readOnly": True},
    ]
    container["volumeMounts"] = _replaced(own, container.get("volumeMounts"), "mountPath")
    container["terminationMessagePath"] = TERMINATION
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"


def _resources(template: Manifest, wanted: Wanted) -> Manifest:
    """A request that is larger than the template's limit raises that limit: the policy says what is too large."""
    config = wanted.config
    requests: Manifest = dict(template.get("requests") or {})
    limits: Manifest = dict(template.get("limits") or {})
    if wanted.most_cpu is not None:
        limits.setdefault("cpu", _cores(wanted.most_cpu))
    if wanted.most_memory is not None:
        limits.setdefault("memory", str(wanted.most_memory))
    if config.cpu is not None:
        requests["cpu"] = _cores(config.cpu)
        if "cpu" in limits:
            limits["cpu"] = requests["cpu"]
    if wanted.memory is not None:
        requests["memory"] = limits["memory"] = str(wanted.memory)
    if config.gpus:
        requests[config.gpu_resource] = limits[config.gpu_resource] = str(config.gpus)
    filled = {"requests": requests, "limits": limits}
    return {**template, **{name: values for name, values in filled.items() if values}}


def _cores(count: float) -> str:
    return f"{max(1, round(count * 1000))}m"


def _toleration(item: run_configs.Toleration) -> Manifest:
    filled: Manifest = {"operator": item.operator}
    filled |= {name: value for name in ("key", "value", "effect") if (value := getattr(item, name))}
    if item.seconds is not None:
        filled["tolerationSeconds"] = item.seconds
    return filled


def _completed(given: Manifest | None, default: Manifest) -> Manifest:
    """The template's word counts, field by field; null takes a default away."""
    return {name: value for name, value in {**default, **(given or {})}.items() if value is not None}


def _added(given: list[Any] | None, more: list[Any]) -> list[Any]:
    return [*(given or ()), *(item for item in more if item not in (given or ()))]


def _replaced(given: list[Manifest] | None, more: list[Manifest] | None, key: str) -> list[Manifest]:
    """Those of `more` stand in for those of the same key."""
    names = {item[key] for item in more or ()}
    return [*(item for item in given or () if item[key] not in names), *(more or ())]
