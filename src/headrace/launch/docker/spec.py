"""From a workload to the container that the engine is asked for. Decides; asks nobody."""

from typing import Any

from headrace import launch
from headrace.wire import run_configs

#: By these an agent finds its containers again: its own id, and the workload's name.
AGENT = "headrace.agent"
WORKLOAD = "headrace.workload"


def name(workload: str) -> str:
    return f"headrace-{workload}"


def container(workload: launch.Workload, *, agent: str, user: str) -> dict[str, Any]:
    """The body of `POST /containers/create`: no privileges, no capabilities, no other user than the agent's own."""
    wanted = workload.container
    assert wanted is not None
    assert isinstance(wanted.config, run_configs.DockerRun)
    return {
        "Image": wanted.image,
        "User": user,
        "Entrypoint": list(workload.command),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in workload.environment.items()],
        "Labels": {**wanted.labels, AGENT: agent, WORKLOAD: workload.name},
        "WorkingDir": str(workload.working_directory or ""),
        "Tty": False,
        "OpenStdin": False,
        # the supervisor listens to SIGTERM, whatever the image says of another program
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Privileged": False,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "NetworkMode": wanted.config.network or "default",
            "Mounts": [_mount(mount) for mount in wanted.mounts],
            **_sizes(wanted),
        },
    }


def _mount(mount: launch.Mount) -> dict[str, Any]:
    kind = "bind" if mount.source.startswith("/") else "volume"
    return {"Type": kind, "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _sizes(wanted: launch.Container) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    if wanted.cpu is not None:
        sizes["NanoCpus"] = round(wanted.cpu * 1_000_000_000)
    if wanted.memory is not None:
        # with swap on top a run that needs too much would crawl instead of ending with the reason
        sizes |= {"Memory": wanted.memory, "MemorySwap": wanted.memory}
    if wanted.gpus:
        sizes["DeviceRequests"] = [{"Count": wanted.gpus, "Capabilities": [["gpu"]]}]
    return sizes
