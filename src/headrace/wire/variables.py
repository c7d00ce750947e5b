"""Variables: named values that flows read and people edit. Never secrets: everybody who may sign in reads them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from headrace import wire


class ListVariables(wire.Message, frozen=True, kw_only=True):
    """By name. `project`: those that its runs see, its own and those of no project; a `search` finds parts of names."""

    project: str | None = None
    search: str | None = None
    after: str | None = None
    limit: int = 100


class ReadVariable(wire.Message, frozen=True, kw_only=True):
    """`project`: as a run of this project sees it, its own first; without one, that of no project."""

    name: str
    project: str = ""


class SetVariable(wire.Message, frozen=True, kw_only=True):
    """Makes a variable, or gives it another value. With a `project` its runs see this instead of that of no project.

    `expected_version`: refused where it has another by now; 0: refused where there is one. A `description` that is not
    given stays.
    """

    name: str
    value: Any
    project: str = ""
    description: str | None = None
    expected_version: int | None = None


class DeleteVariable(wire.Message, frozen=True, kw_only=True):
    """Its history stays, and goes on where it is set again. The answer is what it was."""

    name: str
    project: str = ""
    expected_version: int | None = None


class ListVariableVersions(wire.Message, frozen=True, kw_only=True):
    """Newest first; also of a variable that was deleted."""

    name: str
    project: str = ""
    after: str | None = None
    limit: int = 100


class Variable(wire.Answer, frozen=True, kw_only=True):
    """`project` is "" for one that all projects see. `warning`: why this name may hold what does not belong here."""

    id: UUID
    name: str
    project: str
    value: Any
    version: int
    description: str
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    warning: str = ""


class VariableVersion(wire.Answer, frozen=True, kw_only=True):
    """What it was from `at` on, and who made it that. `deleted`: it was taken away, and had no value."""

    version: int
    value: Any
    deleted: bool
    at: datetime
    by_kind: str
    by: str


# --- run processes ---------------------------------------------------------------------------------------------------


class ReadRunVariable(wire.Message, frozen=True, kw_only=True):
    """What a run sees under this name: what it was when the run first asked, whatever became of it since."""

    flow_run_id: UUID
    fence: int
    name: str


class RunVariable(wire.Answer, frozen=True, kw_only=True):
    """What a run has read, and when first. `version` 0: there was no such variable, and `value` says nothing."""

    name: str
    project: str
    version: int
    value: Any
    at: datetime


class ListRunVariables(wire.Message, frozen=True, kw_only=True):
    """What a run has read, by name."""

    flow_run_id: UUID
