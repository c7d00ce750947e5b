"""A server inside the test's process: its event loop on a thread, so that tests read from top to bottom."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from headrace import wire
from headrace.server import tables
from headrace.testing import Clock as VirtualClock
from headrace.testing import Portal
from headrace.web import handlers, ids
from headrace.web.service import Service
from headrace.wire import accounts, operations

T = TypeVar("T")


class Callers:
    """One caller of each role, each with its row. A run's is made by `run(run_id, fence)`."""

    def __init__(self, call: handlers.Call[Service]) -> None:
        for role in ("administrator", "member", "viewer"):
            caller = handlers.Caller("user", accounts.Role(role), id=ids.uuid7(), name=role)
            call.connection.execute(
                tables.users.insert(),
                {
                    "id": caller.id,
                    "name": role,
                    "email": f"{role}@example.com",
                    "role": role,
                    "active": True,
                    "created_at": call.now,
                },
            )
            setattr(self, role, caller)
        for role in ("agent", "registrar"):
            caller = handlers.Caller("service_account", accounts.Role(role), id=ids.uuid7(), name=role)
            call.connection.execute(
                tables.service_accounts.insert(),
                {"id": caller.id, "name": role, "role": role, "created_at": call.now, "created_by": "tests"},
            )
            setattr(self, role, caller)
        self.anonymous = handlers.ANONYMOUS

    administrator: handlers.Caller
    member: handlers.Caller
    viewer: handlers.Caller
    agent: handlers.Caller
    registrar: handlers.Caller

    @staticmethod
    def run(run_id: UUID, fence: int) -> handlers.Caller:
        return handlers.Caller("run", accounts.Role.RUN, id=run_id, run_id=run_id, run_fence=fence)


class Server:
    """A service over a database with a clock of the test's own; loops run only when the test runs them."""

    def __init__(self, service: Service, portal: Portal, clock: VirtualClock) -> None:
        self.service = service
        self.portal = portal
        self.clock = clock
        self.as_: Callers = self.write(Callers)

    def call(
        self,
        operation: operations.Operation[Any, Any],
        request: wire.Message,
        caller: handlers.Caller | None = None,
        request_id: str | None = None,
    ) -> Any:
        """Performs the operation, as the administrator unless somebody else is named."""
        return self.portal.run(
            self.service.call(operation, request, caller or self.as_.administrator, request_id)
        )

    def begin(
        self,
        operation: operations.Operation[Any, Any],
        request: wire.Message,
        caller: handlers.Caller | None = None,
    ) -> Any:
        """Starts it and gives a future: for answers that are held."""
        return self.portal.start(self.service.call(operation, request, caller or self.as_.administrator))

    def write(self, work: Callable[[handlers.Call[Service]], T]) -> T:
        return self.portal.run(self.service.write(work))

    def read(self, work: Callable[[handlers.Call[Service]], T]) -> T:
        return self.portal.run(self.service.read(work))

    def rows(self, table: sa.Table) -> list[sa.Row[Any]]:
        """All rows of a table."""
        return self.read(lambda call: list(call.connection.execute(sa.select(table))))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.portal.run(coroutine)
