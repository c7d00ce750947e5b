"""What infrastructure a flow run needs. These are data, so they live here; launchers turn them into workloads.

Values may hold `${NAME}`: it is resolved by the agent from its own environment, never by the server.
"""

from headrace import wire


class LocalRun(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """A process on the agent's machine.

    `env` is added to the process's environment; `working_dir` is where it starts (None: the agent's own).
    """

    env: dict[str, str] = {}
    working_dir: str | None = None


class DockerRun(wire.Message, frozen=True, tag="docker", tag_field="kind"):
    """A container of `image` on the agent's machine."""

    image: str
    env: dict[str, str] = {}


RunConfig = LocalRun | DockerRun


def kind(config: RunConfig) -> str:
    """The word by which agents say what they can launch."""
    return str(type(config).__struct_config__.tag)
