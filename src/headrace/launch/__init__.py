"""Workloads and launchers: a program to start, and who starts it. Used by agents and by compute.

`start` yields its state after each stage; the caller stores it, so that a crash half-way is cleaned by `stop(state)` and a
restarted caller goes on with `observe(state)`.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from headrace.wire import run_configs


@dataclasses.dataclass(frozen=True)
class Mount:
    """A folder or file of the host (or a named volume, which has no slash) and where the workload sees it."""

    source: str
    target: str
    read_only: bool = True


@dataclasses.dataclass(frozen=True)
class Container:
    """What a container needs beside its program; the policy has admitted all of it.

    `memory` is in bytes, `gpus` −1 for all. `config` is what the run asked for, with what one kind of launcher alone knows.
    """

    image: str
    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0
    mounts: tuple[Mount, ...] = ()
    labels: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    config: run_configs.DockerRun | run_configs.KubernetesRun | None = None


@dataclasses.dataclass(frozen=True)
class Workload:
    """A program to start. `name` is unique among what runs and made from the run and its fence; `directory` is its own (0700).

    `environment` is the whole environment, not an addition. `files` are written with mode 0600 under `directory` before the start.
    In a container `command` and `working_directory` are as they are called there.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: dict[str, str]
    working_directory: Path | None = None
    files: dict[str, bytes] = dataclasses.field(default_factory=dict[str, bytes])
    container: Container | None = None


class LaunchState(msgspec.Struct, frozen=True):
    """What must be remembered of a started workload to find it again.

    `handle` is the launcher's own; it is empty until something runs, or will run without the launcher. `step` is the name of
    a Submitted state (PullingImage, Starting) and `message` its sentence, while the start takes its time.
    """

    launcher: str
    name: str
    directory: str
    handle: dict[str, str | int | float] = {}
    step: str = ""
    message: str = ""


class Phase(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    EXITED = "exited"
    GONE = "gone"


class Observation(msgspec.Struct, frozen=True):
    """What a workload does now. `exit_code` is negative for a signal.

    `reason` says in words what went wrong, if anything did, or what a pending workload waits for; `code` is one of
    core/reasons.py where the launcher knows more than the exit code tells. `step` is the name of a Submitted state
    (Submitting, PullingImage, SettingUp, Starting) while it is pending: it only goes forward. `reported`: the run's final report was
    acknowledged. `reporting`: it had begun to send one, which may still arrive.
    """

    phase: Phase
    exit_code: int | None = None
    reason: str = ""
    code: str = ""
    step: str = ""
    reported: bool = False
    reporting: bool = False


class Output(msgspec.Struct, frozen=True):
    """A piece of what a workload has written to its standard streams; `after` is where the next piece begins."""

    content: bytes
    after: str = ""


class Found(msgspec.Struct, frozen=True):
    """A workload that a launcher knows without having been told of it. `name` is its run's."""

    flow_run_id: UUID
    fence: int
    name: str
    state: LaunchState


class Launcher(Protocol):
    """Starts workloads of one kind of run config.

    What goes wrong is an errors.LaunchError: in words, with a `reason`, one of the codes of core/reasons.py, where there is a
    better one than launch_failed. `observe`, `logs`, `withdraw`, `stop`, `forget` and `clear` raise it as well when they
    cannot know or do what they should; the caller tries again later.
    """

    #: The kind of run config, as agents tell it to the server.
    kind: str
    #: A start may take minutes: each has a thread of its own.
    is_slow: bool

    def warm_up(self) -> None:
        """Once, before the first start."""
        ...

    def start(self, workload: Workload) -> Iterator[LaunchState]:
        """Starts it; raises errors.LaunchError with the reason in words. The first state comes before anything can run."""
        ...

    def observe(self, state: LaunchState) -> Observation: ...

    def follow(self, state: LaunchState) -> int | None:
        """A descriptor, from now on the caller's, that can be read when it is worth observing again. None: there is none now."""
        ...

    def logs(self, state: LaunchState, after: str = "") -> Output:
        """What it has written, from there on; of very much the last."""
        ...

    def withdraw(self, state: LaunchState) -> bool:
        """Takes the handover back: True when no run process has taken it, and so none ever will."""
        ...

    def stop(self, state: LaunchState, grace: timedelta) -> None:
        """Asks it to end, then ends it; returns when it has ended."""
        ...

    def forget(self, state: LaunchState) -> None:
        """Removes what is left of an ended workload."""
        ...

    def found(self) -> Iterable[Found]:
        """What this agent has launched, for one that has lost its journal; nothing where a lost journal cannot be."""
        ...

    def clear(self, keep: Collection[str]) -> None:
        """Removes what this agent has launched and does not know any more: all whose name is not in `keep`.

        Whether it is, is asked when a workload has been found, for others are being launched meanwhile.
        """
        ...

    def await_readiness(self, seconds: float) -> str:
        """Waits until something can be started, at most so long. Why it cannot, or nothing."""
        ...

    def close(self) -> None:
        """Lets go; what runs goes on."""
        ...
