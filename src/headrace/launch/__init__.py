"""Workloads and launchers: a program to start, and who starts it. Used by agents and by compute.

`start` yields its state after each stage; the caller stores it, so that a crash half-way is cleaned by `stop(state)` and a
restarted caller goes on with `observe(state)`.
"""

import dataclasses
import enum
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import msgspec


@dataclasses.dataclass(frozen=True)
class Workload:
    """A program to start. `name` is unique among what runs and made from the run and its fence; `directory` is its own (0700).

    `environment` is the whole environment, not an addition. `files` are written with mode 0600 under `directory` before the start.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: dict[str, str]
    working_directory: Path | None = None
    files: dict[str, bytes] = dataclasses.field(default_factory=dict[str, bytes])


class LaunchState(msgspec.Struct, frozen=True):
    """What must be remembered of a started workload to find it again. `handle` is the launcher's own."""

    launcher: str
    name: str
    directory: str
    handle: dict[str, str | int | float] = {}


class Phase(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    EXITED = "exited"
    GONE = "gone"


class Observation(msgspec.Struct, frozen=True):
    """What a workload does now. `exit_code` is negative for a signal; `reason` says in words what went wrong, if anything did."""

    phase: Phase
    exit_code: int | None = None
    reason: str = ""


class Launcher(Protocol):
    """Starts workloads of one kind of run config."""

    kind: str

    def start(self, workload: Workload) -> Iterator[LaunchState]:
        """Starts it; raises errors.LaunchError with the reason in words."""
        ...

    def observe(self, state: LaunchState) -> Observation: ...

    def stop(self, state: LaunchState, grace: timedelta) -> None:
        """Asks it to end, then ends it; returns when it has ended."""
        ...

    def forget(self, state: LaunchState) -> None:
        """Removes what is left of an ended workload."""
        ...
