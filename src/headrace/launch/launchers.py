"""The launchers by name: what `headrace agent --launch` chooses from. Each is imported only where it is used."""

from headrace import launch
from headrace.core import leases
from headrace.launch import place as places
from headrace.launch import process, template


def make(
    kind: str, place: places.Place, *, name: str, server_url: str, timing: leases.Timing
) -> launch.Launcher:
    """The launcher of an agent of this name, for what is launched at this place. Raises errors.SettingsError."""
    match kind:
        case "docker":
            from headrace.launch.docker import launcher as docker  # http.client is not cheap

            return docker.DockerLauncher(place, name=name)
        case "kubernetes":
            from headrace.launch.kubernetes import access, launcher  # as above: TLS and the cluster's objects

            rules = place.policy.kubernetes
            found = access.find(
                place.variables, kubeconfig=rules.kubeconfig, context=rules.context, namespace=rules.namespace
            )
            return launcher.KubernetesLauncher(found, place, name=name, timing=timing)
        case _:
            base = place.environment(server_url)
            return process.ProcessLauncher(template.Template(base) if template.is_available() else None)
