"""What of the agent's policy file is about Kubernetes alone: where the cluster is, and what a run config may ask of it."""

import fnmatch
from collections.abc import Iterable

import msgspec

from headrace.wire import run_configs


class KubernetesRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults are what holds without a file; patterns are those of file names, and match keys or names.

    Attributes
    ----------
    kubeconfig, context, namespace: the cluster; without them the pod's own, and outside of a cluster what kubectl would take.
    server_url: how pods reach the server, where that is not how the agent does.
    templates: the folder of job templates.
    pending_seconds: for how long a pod may wait for what may still come: a node, an image, a volume, a quota.
    job_templates: the templates that run configs may name.
    labels, annotations: what they may put on Jobs and pods. Both mean something to network policies, meshes and clouds,
        so that none is admitted unless it is listed.
    node_labels: what they may select nodes by, beside what the template selects.
    tolerations: keys of taints; a toleration of every taint is never admitted.
    image_pull_secrets: Secrets of the namespace with which images may be pulled.
    gpu_resources: what may be called a GPU.
    """

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    server_url: str = ""
    templates: str = ""
    pending_seconds: float = 900
    job_templates: tuple[str, ...] = ("*",)
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ("*",)
    tolerations: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    gpu_resources: tuple[str, ...] = ("nvidia.com/gpu", "nvidia.com/mig-*", "amd.com/gpu", "gpu.intel.com/*")

    def problems(self, config: run_configs.KubernetesRun) -> Iterable[str]:
        """All that is not admitted, in words."""
        asked: tuple[tuple[str, Iterable[str], tuple[str, ...]], ...] = (
            ("job template", [config.job_template] if config.job_template else [], self.job_templates),
            ("label", config.labels, self.labels),
            ("annotation", config.annotations, self.annotations),
            ("node label", config.node_selector, self.node_labels),
            ("image pull secret", config.image_pull_secrets, self.image_pull_secrets),
            ("GPU resource", [config.gpu_resource] if config.gpus else [], self.gpu_resources),
        )
        for what, names, patterns in asked:
            for name in names:
                if not _matches(name, patterns):
                    yield f"the {what} {name!r}"
        for toleration in config.tolerations:
            if not toleration.key:
                yield "the toleration of every taint"
            elif not _matches(toleration.key, self.tolerations):
                yield f"the toleration of {toleration.key!r}"
        for key in (*config.labels, *config.annotations):
            # they are how the agent finds its runs, also for who may label everything
            if key.partition("/")[0].endswith("headrace.dev"):
                yield f"the label or annotation {key!r}, which is the agent's own"


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
