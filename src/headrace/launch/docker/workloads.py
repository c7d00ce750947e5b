"""From an assignment and its DockerRun to a container: what it sees of the machine, and what it may use of it."""

import posixpath
from pathlib import Path

import msgspec

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import place as places
from headrace.launch import policy as policies
from headrace.launch import sizes
from headrace.wire import run_configs, storage

#: Where a run's own directory is inside of its container.
INSIDE = "/headrace/run"
#: Of the container itself: its runs' results last no longer than it does, unless they go elsewhere.
HOME = "/tmp/headrace"  # noqa: S108 - inside of a container that nobody else is in
#: The program. The image's entry point is not asked: it would get our words as its arguments.
COMMAND = ("python3", "-P", "-m", "headrace.engine.supervisor", INSIDE)
#: What nothing may be mounted over.
_OURS = ("/headrace", "/proc", "/sys", "/dev")


def workload(
    handover: run_directory.Handover, config: run_configs.DockerRun, name: str, place: places.Place
) -> launch.Workload:
    """Raises errors.LaunchError in words: for what the policy does not admit, and for what cannot work."""
    policy, assignment = place.policy, handover.assignment
    volumes = tuple(mount(text) for text in config.volumes)
    memory = None if config.memory is None else sizes.memory(config.memory)
    policy.check(
        policies.Asked(
            image=config.image,
            variables=config.env,
            references=places.references(config.env.values()),
            mounts=volumes,
            cpu=config.cpu,
            memory=memory,
            gpus=config.gpus,
            network=config.network,
        )
    )
    directory = place.folder / name
    network = config.network or policy.docker.network or None
    seen = msgspec.structs.replace(handover, server_url=_server_url(handover.server_url, network, policy))
    return launch.Workload(
        name=name,
        command=COMMAND,
        directory=directory,
        environment=_environment(seen, config, place),
        working_directory=Path(config.working_dir) if config.working_dir else None,
        files=run_directory.files(seen),
        container=launch.Container(
            image=config.image,
            cpu=policy.cpu if config.cpu is None else config.cpu,
            memory=policy.memory_bytes if memory is None else memory,
            gpus=config.gpus,
            mounts=(
                launch.Mount(str(directory), INSIDE, read_only=False),
                *_content(assignment.storage, place),
                *(mount(text) for text in policy.docker.volumes),
                *volumes,
            ),
            labels={"headrace.run": str(assignment.flow_run_id), "headrace.fence": str(assignment.fence)},
            config=msgspec.structs.replace(config, network=network),
        ),
    )


def _environment(
    handover: run_directory.Handover, config: run_configs.DockerRun, place: places.Place
) -> dict[str, str]:
    """The least of what a run needs, then what its storage needs, the operator's, and the run config's own."""
    wanted = place.for_storage(handover.assignment.storage)
    # the socket of a machine's SSH agent is not in the container
    wanted.pop("SSH_AUTH_SOCK", None)
    return {
        "HOME": "/tmp",  # noqa: S108 - inside of the container
        **place.anywhere(handover.server_url),
        "HEADRACE_HOME": HOME,
        **wanted,
        **place.policy.docker.env,
        **{key: place.resolved(value) for key, value in config.env.items()},
    }


def mount(text: str) -> launch.Mount:
    """HOST:CONTAINER[:ro|rw]. A path of the host is followed to its end, so that what was admitted is what is mounted."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise _unmountable(text, "write HOST:CONTAINER, HOST:CONTAINER:ro or HOST:CONTAINER:rw")
    if "/" in source and not source.startswith("/"):
        raise _unmountable(text, f"{source} is neither an absolute path nor the name of a volume")
    inside = posixpath.normpath("/" + target.lstrip("/"))
    if inside == "/" or any(inside == ours or inside.startswith(f"{ours}/") for ours in _OURS):
        raise _unmountable(text, f"nothing is mounted over {inside}")
    resolved = str(Path(source).resolve()) if source.startswith("/") else source
    return launch.Mount(resolved, inside, read_only=mode == "ro")


def _unmountable(text: str, why: str) -> errors.LaunchError:
    return errors.LaunchError(f"the volume {text!r} cannot be mounted: {why}.", reason="not_admitted")


def _content(reference: storage.Storage, place: places.Place) -> tuple[launch.Mount, ...]:
    """Of content that is a file here the container sees that file alone; and only where flows' content is kept."""
    if not isinstance(reference, storage.LocalStorage):
        return ()
    path = Path(reference.path)
    real = path.resolve()
    found = launch.Mount(str(real), str(path))
    kept = (place.home / "content").resolve()
    if not real.is_relative_to(kept):
        try:
            place.policy.check(policies.Asked(mounts=[found]))
        except errors.LaunchError:
            raise errors.LaunchError(
                f"the flow's content is the file {path}, which is neither in this agent's {kept} nor below the mounts of its"
                " policy, so that no container gets to see it: register the flow with another storage.",
                reason="not_admitted",
            ) from None
    # of a file that is not there the run says so itself
    return (found,) if real.is_file() else ()


def _server_url(url: str, network: str | None, policy: policies.Policy) -> str:
    """How the container reaches the server."""
    url = policy.docker.server_url or url
    return url if network == "host" else places.reachable(url, "container", "docker")
