"""Job templates: what the agent's operator puts around every run, as files of a folder that only he writes.

A template is a Job's manifest, as short as one likes. The container named `run` is the run's own; what the template does
not say has the values that `jobs` gives it.
"""

import copy
import difflib
from pathlib import Path
from typing import Any, Required, TypedDict

import msgspec

from headrace import errors
from headrace.launch.kubernetes import access

#: The template of run configs that name none.
DEFAULT = "default"
#: The container in which the run is.
CONTAINER = "run"
_ENDINGS = (".yaml", ".yml", ".json")

Manifest = dict[str, Any]


# A manifest as far as a run config's fields are put into it; written so, for its names are Kubernetes' own.
_Mount = TypedDict("_Mount", {"name": str, "mountPath": str})  # noqa: UP013
_Named = TypedDict("_Named", {"name": str})  # noqa: UP013
_Container = TypedDict(  # noqa: UP013
    "_Container",
    {
        "name": Required[str],
        "env": list[_Named],
        "volumeMounts": list[_Mount],
        "resources": dict[str, Any],
        "securityContext": dict[str, Any],
    },
    total=False,
)
_PodSpec = TypedDict(  # noqa: UP013
    "_PodSpec",
    {
        "containers": list[_Container],
        "volumes": list[_Named],
        "nodeSelector": dict[str, str],
        "tolerations": list[dict[str, Any]],
        "imagePullSecrets": list[dict[str, str]],
        "securityContext": dict[str, Any],
    },
    total=False,
)
_Metadata = TypedDict("_Metadata", {"labels": dict[str, str], "annotations": dict[str, str]}, total=False)  # noqa: UP013
_Pod = TypedDict("_Pod", {"metadata": _Metadata, "spec": _PodSpec}, total=False)  # noqa: UP013
_JobSpec = TypedDict("_JobSpec", {"template": _Pod}, total=False)  # noqa: UP013
_Job = TypedDict("_Job", {"metadata": _Metadata, "spec": _JobSpec}, total=False)  # noqa: UP013


class Templates:
    """The templates of a folder by the names of their files; without a folder there is the default one, and it is empty."""

    def __init__(self, folder: Path | None = None) -> None:
        self._manifests: dict[str, Manifest] = {DEFAULT: {}}
        if folder is None:
            return
        if not folder.is_dir():
            raise errors.SettingsError(f"the folder of job templates {folder} does not exist")
        for path in sorted(folder.iterdir()):
            if path.suffix in _ENDINGS:
                self._manifests[path.stem] = _checked(path)

    def named(self, name: str | None) -> Manifest:
        """A copy of the template. Raises errors.LaunchError when there is none of this name."""
        found = self._manifests.get(name or DEFAULT)
        if found is None:
            close = difflib.get_close_matches(name or "", self._manifests, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            known = ", ".join(sorted(self._manifests))
            raise errors.LaunchError(
                f"the agent has no job template {name!r}; it has {known}.{hint} The agent's operator keeps them."
            )
        return copy.deepcopy(found)


def pod_of(manifest: Manifest) -> Manifest:
    """The pod's template within, made where it is missing."""
    spec: Manifest = manifest.setdefault("spec", {})
    return spec.setdefault("template", {})


def container_of(pod: Manifest) -> Manifest:
    """The run's container of a pod's spec, made where it is missing; it comes first."""
    containers: list[Manifest] = pod.setdefault("containers", [])
    for container in containers:
        if container.get("name") == CONTAINER:
            return container
    containers.insert(0, {"name": CONTAINER})
    return containers[0]


def mounted(manifest: Manifest) -> list[str]:
    """Where the template mounts volumes of its own into the run's container."""
    container = container_of(pod_of(copy.deepcopy(manifest)).setdefault("spec", {}))
    return [str(mount["mountPath"]) for mount in container.get("volumeMounts", ())]


def _checked(path: Path) -> Manifest:
    """The file's manifest, as far as it must have a shape. Raises errors.SettingsError."""
    manifest = access.read(path)
    kind = manifest.get("kind", "Job")
    if kind != "Job":
        raise errors.SettingsError(f"{path} describes a {kind}: a job template is a Job, or a part of one")
    try:
        msgspec.convert(manifest, _Job)
    except msgspec.ValidationError as error:
        raise errors.SettingsError(f"{path} is no manifest of a Job: {error}") from None
    return manifest
