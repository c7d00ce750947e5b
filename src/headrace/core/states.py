"""The states of flow runs and task runs: a type that the rules decide by, a name that people read, and a message.

Pure data, used on the wire and in the database as it is. Moves between states are in `transitions.py`.
"""

import enum
from datetime import datetime

import msgspec


class StateType(enum.StrEnum):
    """What the rules know. A name refines it for people."""

    SCHEDULED = "Scheduled"
    SUBMITTED = "Submitted"
    RUNNING = "Running"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    SUCCESS = "Success"
    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset({StateType.SUCCESS, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})
UNFINISHED = frozenset(StateType) - FINISHED

#: The names that refine each type; the type's own name is always one of them.
NAMES: dict[StateType, tuple[str, ...]] = {
    StateType.SCHEDULED: (
        "Scheduled",
        "Pending",
        "Retrying",
        "AwaitingRetry",
        "Resumed",
        "Rescued",
        "Released",
    ),
    StateType.SUBMITTED: ("Submitted", "Submitting", "PullingImage", "SettingUp", "Starting"),
    StateType.RUNNING: ("Running", "Mapped"),
    StateType.PAUSED: ("Paused",),
    StateType.CANCELLING: ("Cancelling",),
    StateType.SUCCESS: ("Success", "Cached", "Skipped"),
    StateType.FAILED: ("Failed", "TimedOut", "TriggerFailed"),
    StateType.CRASHED: ("Crashed", "ContentMismatch", "LaunchFailed", "Lost"),
    StateType.CANCELLED: ("Cancelled",),
}


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state of a flow run or task run.

    `at` is when it was entered. `due_at` is when a Scheduled one may go on (None: at once). `code` says why it was
    entered, for machines: one of `reasons.py`, or nothing where the name says it all.
    """

    type: StateType
    name: str
    at: datetime
    message: str = ""
    due_at: datetime | None = None
    code: str = ""

    @property
    def is_finished(self) -> bool:
        return self.type in FINISHED

    @property
    def is_success(self) -> bool:
        """Success, Cached and Skipped."""
        return self.type is StateType.SUCCESS

    @property
    def is_skipped(self) -> bool:
        return self.type is StateType.SUCCESS and self.name == "Skipped"

    @property
    def is_failure(self) -> bool:
        """Failed and Crashed. Cancelled is neither success nor failure."""
        return self.type in (StateType.FAILED, StateType.CRASHED)


class Reason(msgspec.Struct, frozen=True):
    """Why something waits or ended: a code for machines, a sentence for people."""

    code: str
    sentence: str
