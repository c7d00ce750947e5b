"""`client.audit`: who did what, when."""

from collections.abc import Iterator
from datetime import datetime

from headrace.client.connection import Connection
from headrace.wire import audit, operations


class Audit:
    """The audit log; administrators read it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        actor: str | None = None,
        operation: str | None = None,
        object_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
    ) -> Iterator[audit.Entry]:
        """Entries, newest first. `actor` and `search` find parts of texts."""
        request = audit.ListAudit(
            actor=actor, operation=operation, object_id=object_id, since=since, until=until, search=search
        )
        return self._connection.pages(operations.list_audit, request)

    def verify(self) -> audit.Verified:
        """Whether every entry is what it was when it was sealed."""
        return self._connection.call(operations.verify_audit, audit.VerifyAudit())
