"""What differs between versions, which one is current, and what a deletion takes along."""

from typing import Any
from uuid import UUID

from headrace import wire
from headrace.wire import flows


class CompareVersions(wire.Message, frozen=True, kw_only=True):
    """Two version numbers. Without `after` it is the current one, without `before` the one made before that."""

    flow_id: UUID
    before: int | None = None
    after: int | None = None


class FieldChange(wire.Answer, frozen=True, kw_only=True):
    """One field of one thing; None where it was not there."""

    name: str
    before: Any = None
    after: Any = None


class Change(wire.Answer, frozen=True, kw_only=True):
    """One thing that differs. `what` is task, edge, parameter, schedule, run config, executor, storage, setting or code;
    `how` is added, removed or changed. Code is told by its digest: the server has never seen it.
    """

    what: str
    name: str
    how: str
    fields: list[FieldChange] = []


class Difference(wire.Answer, frozen=True, kw_only=True):
    """`summary` says it in one line. No changes: the two differ at most in their content's bytes."""

    before: flows.FlowVersion
    after: flows.FlowVersion
    summary: str
    changes: list[Change]


class MakeCurrent(wire.Message, frozen=True, kw_only=True):
    """The version that runs use from now on, unless they name another. A registration that brings anything new replaces it."""

    flow_id: UUID
    number: int


class ArchiveFlow(wire.Message, frozen=True, kw_only=True):
    """An archived flow makes no runs and is not listed; its history stays. `archived` False brings it back."""

    flow_id: UUID
    archived: bool = True


class PreviewDeletion(wire.Message, frozen=True, kw_only=True):
    """What the deletion of a flow, or of the version with this number, would take along."""

    flow_id: UUID
    number: int | None = None


class Deletion(wire.Answer, frozen=True, kw_only=True):
    """What goes with a flow or a version: `waiting` runs end as Cancelled, `running` ones are told to stop.

    `kept` runs are history: they stay until retention removes them. `confirm` is what the deletion wants to be told.
    """

    flow: str
    versions: int
    schedules: int
    waiting: int
    running: int
    kept: int
    confirm: str


class DeleteFlow(wire.Message, frozen=True, kw_only=True):
    """`confirm` repeats "project/flow"."""

    flow_id: UUID
    confirm: str


class DeleteVersion(wire.Message, frozen=True, kw_only=True):
    """`confirm` repeats "project/flow version n". The current version is not deleted: make another one current before."""

    version_id: UUID
    confirm: str
