"""The audit log: who did what, when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from headrace import wire


class Filter(wire.Message, frozen=True, kw_only=True):
    """`actor` is a name or a part of it, `search` looks into names of objects and details."""

    actor: str | None = None
    operation: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None


class ListAudit(Filter, frozen=True, kw_only=True):
    """Newest first. `actor` is a name or a part of it, `search` looks into names of objects and details."""

    after: str | None = None
    limit: int = 100


class DownloadAudit(Filter, frozen=True, kw_only=True):
    """The same filter, everything as NDJSON, oldest first."""


class Entry(wire.Answer, frozen=True, kw_only=True):
    """One thing that was done. `details` is what was asked for, without secrets, and `before` where a setting was changed.

    `number` and `sha256` are given some seconds later, when the entry is sealed: each digest covers the one before.
    """

    id: UUID
    at: datetime
    actor_kind: str
    actor_name: str
    actor_id: UUID | None
    key_id: UUID | None
    address: str
    operation: str
    object_kind: str
    object_id: str
    object_name: str
    details: Any
    before: Any
    request_id: str
    number: int | None
    sha256: str | None


class VerifyAudit(wire.Message, frozen=True, kw_only=True):
    pass


class Verified(wire.Answer, frozen=True, kw_only=True):
    """`broken_at` is the number of the first entry that is not what it was, or is missing; None: the chain is whole.

    `last_sha256`, kept elsewhere, shows later that nothing was cut off at the end.
    """

    entries: int
    unsealed: int
    first_number: int | None
    last_number: int | None
    last_sha256: str
    broken_at: int | None
    problem: str
