"""Retention: how long history is kept, what a round of removal would do, and what the last ones did."""

from datetime import datetime
from uuid import UUID

from headrace import wire


class ReadRetention(wire.Message, frozen=True, kw_only=True):
    """The installation's rules, or with `flow_id` those that hold for this flow."""

    flow_id: UUID | None = None


class SetRetention(wire.Message, frozen=True, kw_only=True):
    """Keep what is younger than `seconds` and belongs to the last `runs` of each flow; None sets no limit.

    What exceeds either limit goes. With `flow_id` it is this flow's own rule, which replaces the installation's.
    """

    kind: str
    flow_id: UUID | None = None
    seconds: float | None = None
    runs: int | None = None


class ResetRetention(wire.Message, frozen=True, kw_only=True):
    """Back to the installation's rule, or to the default."""

    kind: str
    flow_id: UUID | None = None


class RunRetention(wire.Message, frozen=True, kw_only=True):
    """Remove now what the rules let go, for at most so many seconds."""

    seconds: float = 20.0


class PreviewRetention(wire.Message, frozen=True, kw_only=True):
    """What would be removed now."""


class Limits(wire.Answer, frozen=True, kw_only=True):
    """`origin`: default, installation or flow. `per_flow`: whether flows may have their own."""

    kind: str
    what: str
    per_flow: bool
    seconds: float | None
    runs: int | None
    origin: str


class Override(wire.Answer, frozen=True, kw_only=True):
    """A flow's own rule."""

    kind: str
    flow_id: UUID
    flow: str
    project: str
    seconds: float | None
    runs: int | None


class Round(wire.Answer, frozen=True, kw_only=True):
    """What a round removed: rows by table. `complete`: nothing is left that the rules let go."""

    began_at: datetime
    ended_at: datetime
    removed: dict[str, int]
    complete: bool


class Retention(wire.Answer, frozen=True, kw_only=True):
    """The rules, the flows that have their own, and the last rounds that removed something, newest first."""

    limits: list[Limits]
    overrides: list[Override]
    rounds: list[Round]


class RetentionPreview(wire.Answer, frozen=True, kw_only=True):
    """Rows by table that the next rounds would remove; `flow_runs` are whole runs."""

    would_remove: dict[str, int]
