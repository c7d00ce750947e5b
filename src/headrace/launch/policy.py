"""What an agent lets runs have. The agent's operator keeps it in a file beside the agent, and nothing that a server sends widens it.

`Policy.check` is asked with the facts of one launch, whatever its kind; `docs/agents.md` describes the file.
"""

import dataclasses
import fnmatch
import math
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from headrace import errors, settings
from headrace.launch import Mount, rules, sizes

#: Variables by which programs are made to load other code, to ask elsewhere or to believe somebody else. They are given
#: only where the policy lists them just so.
PROTECTED = (
    "LD_*",
    "DYLD_*",
    "PYTHON*",
    "PATH",
    "*_PROXY",
    "GIT_*",
    "SSH_*",
    "SSL_*",
    "GLIBC_*",
    "BASH_ENV",
    "HEADRACE_*",
)
#: The agent's own secrets: no list gives them away.
SECRETS = frozenset(f"HEADRACE_{name.upper()}{end}" for name in settings.SECRETS for end in ("", "_FILE"))
#: Networks that take a container's own away.
_SHARED_NETWORKS = re.compile(r"host|container:.*")


class DockerDefaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every container of this agent gets, by its operator's word alone.

    `network` is used where a run names none; `server_url` is how containers reach the server, where that is not how the agent
    does; `volumes` are HOST:CONTAINER[:ro|rw]; `env` is the least of what sets a variable.
    """

    network: str = ""
    server_url: str = ""
    volumes: tuple[str, ...] = ()
    env: dict[str, str] = {}


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults are what holds without a file. Patterns are those of file names: `*`, `?`, `[…]`.

    Attributes
    ----------
    images: patterns of images.
    variables: patterns of what a run config may set. The PROTECTED ones have to be listed just so: "PATH", "LD_*".
    references: patterns of the agent's own variables that a run config, or a flow's storage, may ask for with `${NAME}`.
    mounts: folders of the host that runs may mount, with all below them; behind ":ro" only to read. Without a slash:
        patterns of named volumes.
    cpu, memory, gpus: the most that one run may have. A container that asks for nothing is given just that.
    networks: patterns of networks; "host" and "container:…" only where they are listed just so.
    namespaces, service_accounts: patterns; none is what the agent's own template says.
    working_directories: folders in which processes may start, with all below them.
    """

    images: tuple[str, ...] = ("*",)
    variables: tuple[str, ...] = ("*",)
    references: tuple[str, ...] = ("*",)
    mounts: tuple[str, ...] = ()
    cpu: float | None = None
    memory: str | None = None
    gpus: int | None = None
    networks: tuple[str, ...] = ("bridge", "none")
    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    working_directories: tuple[str, ...] = ("/",)
    docker: DockerDefaults = DockerDefaults()
    kubernetes: rules.KubernetesRules = rules.KubernetesRules()

    def __post_init__(self) -> None:
        for entry in self.mounts:
            if "/" in entry and not entry.startswith("/"):
                raise ValueError(f"mounts: {entry!r} is neither an absolute folder nor the name of a volume")
        if self.memory is not None:
            _ = self.memory_bytes

    @property
    def memory_bytes(self) -> int | None:
        return None if self.memory is None else sizes.memory(self.memory)

    def check(self, asked: "Asked") -> None:
        """Raises errors.LaunchError (not_admitted) that names all that is not admitted."""
        problems = [
            *self._names(asked),
            *(f"the variable {name}" for name in asked.variables if not self.admits_variable(name)),
            *(f"the agent's variable {name}" for name in asked.references if not self.admits_reference(name)),
            *(f"the mount of {mount.source}" for mount in asked.mounts if not self._admits_mount(mount)),
            *self._sizes(asked),
            *self._working_directory(asked.working_directory),
        ]
        if problems:
            raise errors.LaunchError(
                f"the policy of this agent does not admit {', '.join(problems)}. Change the run config, or let the agent's"
                " operator add it to the policy file.",
                reason="not_admitted",
            )

    def admits_variable(self, name: str) -> bool:
        """Whether a run config may set the variable."""
        if name in SECRETS or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name, re.ASCII):
            return False
        guards = [pattern for pattern in PROTECTED if fnmatch.fnmatchcase(name.upper(), pattern)]
        if guards:
            return name in self.variables or any(pattern in self.variables for pattern in guards)
        return _matches(name, self.variables)

    def admits_reference(self, name: str) -> bool:
        """Whether the value of the agent's own variable may be given to a run."""
        return name not in SECRETS and _matches(name, self.references)

    def _names(self, asked: "Asked") -> Iterable[str]:
        if asked.image is not None and not _matches(asked.image, self.images):
            yield f"the image {asked.image}"
        if asked.network is not None:
            shared = _SHARED_NETWORKS.fullmatch(asked.network) is not None
            if not (asked.network in self.networks if shared else _matches(asked.network, self.networks)):
                yield f"the network {asked.network}"
        if asked.namespace is not None and not _matches(asked.namespace, self.namespaces):
            yield f"the namespace {asked.namespace}"
        if asked.service_account is not None and not _matches(asked.service_account, self.service_accounts):
            yield f"the service account {asked.service_account}"

    def _sizes(self, asked: "Asked") -> Iterable[str]:
        if asked.cpu is not None and not 0 < asked.cpu <= (self.cpu or math.inf):
            yield f"{asked.cpu:g} cores (at most {'any number' if self.cpu is None else f'{self.cpu:g}'})"
        most = self.memory_bytes
        if most is not None and asked.memory is not None and asked.memory > most:
            yield f"{asked.memory} bytes of memory (at most {self.memory})"
        if self.gpus is not None and (asked.gpus > self.gpus or asked.gpus < 0):
            yield f"{'all' if asked.gpus < 0 else asked.gpus} GPUs (at most {self.gpus})"

    def _working_directory(self, folder: Path | None) -> Iterable[str]:
        if folder is not None and not any(_is_below(folder, Path(root)) for root in self.working_directories):
            yield f"the working directory {folder}"

    def _admits_mount(self, mount: Mount) -> bool:
        for entry in self.mounts:
            read_only = entry.endswith(":ro")
            source = entry.removesuffix(":ro")
            if read_only and not mount.read_only:
                continue
            if mount.source.startswith("/") and source.startswith("/"):
                if _is_below(Path(mount.source), Path(source)):
                    return True
            elif "/" not in mount.source + source and fnmatch.fnmatchcase(mount.source, source):
                return True
        return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """The facts of one launch; None is what the run does not ask for. Names alone of variables, never their values."""

    image: str | None = None
    variables: Iterable[str] = ()
    references: Iterable[str] = ()
    mounts: Iterable[Mount] = ()
    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0
    network: str | None = None
    namespace: str | None = None
    service_account: str | None = None
    working_directory: Path | None = None


def load(path: str) -> Policy:
    """The policy in a TOML file; without one ("") the default. Raises errors.SettingsError."""
    if not path:
        return Policy()
    try:
        return msgspec.convert(tomllib.loads(Path(path).expanduser().read_text()), Policy)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, errors.LaunchError) as error:
        raise errors.SettingsError(f"the agent's policy file {path} cannot be used: {error}") from None


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _is_below(path: Path, folder: Path) -> bool:
    """As the kernel sees them: no symlink and no `..` leads out of the folder."""
    return path.resolve().is_relative_to(folder.resolve())
