"""The client's methods for concurrency limits: `Client().limits`."""

from collections.abc import Iterator
from uuid import UUID

from headrace import errors
from headrace.client.connection import Connection
from headrace.core.limits import Kind, WhenFull
from headrace.wire import limits, operations


class Limits:
    """How many runs of a flow, runs with a label, or task runs with a tag go on at once.

    `kind` is "flow", "label" or "tag"; `what` is "project/flow", a label or a tag.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, kind: str | None = None) -> Iterator[limits.Limit]:
        """By kind and name, with how many hold and how many wait."""
        request = limits.ListLimits(kind=None if kind is None else Kind(kind))
        return self._connection.pages(operations.list_limits, request)

    def read(self, kind: str, what: str) -> limits.LimitDetails:
        """A limit with who holds its slots and who waits. Raises errors.NotFound."""
        return self._connection.call(operations.read_limit, limits.LimitRef(limit_id=self._id(kind, what)))

    def set(self, kind: str, what: str, size: int, *, when_full: str | None = None) -> limits.Limit:
        """Makes a limit, or changes the one there is: `client.limits.set("tag", "database", 3)`. A size of 0 stops.

        `when_full` is what becomes of a flow run whose turn it is while the limit is full: "queue" (it waits; so it is
        where nothing is said), "skip" (a run that a schedule made is cancelled, any other waits) or "cancel_new".
        """
        policy = None if when_full is None else WhenFull(when_full)
        found = self._find(kind, what)
        if found is None:
            made = limits.CreateLimit(
                kind=Kind(kind), what=what, size=size, when_full=policy or WhenFull.QUEUE
            )
            return self._connection.call(operations.create_limit, made)
        change = limits.UpdateLimit(limit_id=found.id, size=size, when_full=policy)
        return self._connection.call(operations.update_limit, change)

    def delete(self, kind: str, what: str) -> None:
        """What waits for it goes on. Raises errors.NotFound."""
        self._connection.call(operations.delete_limit, limits.LimitRef(limit_id=self._id(kind, what)))

    def _find(self, kind: str, what: str) -> limits.Limit | None:
        return next((limit for limit in self.list(kind=kind) if limit.what == what), None)

    def _id(self, kind: str, what: str) -> UUID:
        found = self._find(kind, what)
        if found is None:
            known = ", ".join(limit.what for limit in self.list(kind=kind)) or "none"
            raise errors.NotFound(f"the {kind} {what!r} has no limit; limited are: {known}")
        return found.id
