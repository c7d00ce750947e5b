"""Who is calling: a key, a run token or a session's cookie becomes a caller."""

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.server import tables, tokens
from headrace.web import handlers, loops
from headrace.web.service import Bearer, Credential, Service
from headrace.wire import accounts

#: How long somebody is known by a key without a new look; and at most how many are. A key that ends soon is looked up each time.
KEPT, MOST_KNOWN, LASTING = timedelta(seconds=1), 10_000, timedelta(days=1)

_key = (
    sa.select(
        tables.keys.c.id,
        tables.keys.c.name,
        tables.keys.c.expires_at,
        tables.keys.c.revoked_at,
        tables.users.c.id.label("user_id"),
        tables.users.c.name.label("user_name"),
        tables.users.c.role.label("user_role"),
        tables.users.c.active,
        tables.service_accounts.c.id.label("service_account_id"),
        tables.service_accounts.c.name.label("service_account_name"),
        tables.service_accounts.c.role.label("service_account_role"),
    )
    .select_from(tables.keys.outerjoin(tables.users).outerjoin(tables.service_accounts))
    .where(tables.keys.c.value_sha256 == sa.bindparam("digest"))
)
_session = (
    sa.select(
        tables.sessions.c.id,
        tables.sessions.c.generation,
        tables.sessions.c.expires_at,
        tables.users.c.id.label("user_id"),
        tables.users.c.name,
        tables.users.c.role,
        tables.users.c.active,
        tables.users.c.generation.label("current_generation"),
    )
    .select_from(tables.sessions.join(tables.users))
    .where(tables.sessions.c.token_sha256 == sa.bindparam("digest"))
)
_key_used = (
    sa.update(tables.keys)
    .where(tables.keys.c.id == sa.bindparam("subject"))
    .values(last_used_at=sa.bindparam("at"))
)
_session_used = (
    sa.update(tables.sessions)
    .where(tables.sessions.c.id == sa.bindparam("subject"))
    .values(last_seen_at=sa.bindparam("at"))
)
_user_seen = (
    sa.update(tables.users)
    .where(tables.users.c.id == sa.bindparam("subject"))
    .values(last_seen_at=sa.bindparam("at"))
)


class LastUse:
    """When keys, sessions and users were seen last, in memory: written once a minute, never on a request's way."""

    def __init__(self) -> None:
        self.keys: dict[UUID, datetime] = {}
        self.sessions: dict[UUID, datetime] = {}
        self.users: dict[UUID, datetime] = {}

    def seen(self, caller: handlers.Caller, now: datetime) -> None:
        if caller.key_id is not None:
            self.keys[caller.key_id] = now
        if caller.session_id is not None:
            self.sessions[caller.session_id] = now
        if caller.kind == "user" and caller.id is not None:
            self.users[caller.id] = now

    def take(self) -> list[tuple[sa.Update, list[dict[str, Any]]]]:
        """What is to be written, and forgets it."""
        taken = [(_key_used, self.keys), (_session_used, self.sessions), (_user_seen, self.users)]
        self.keys, self.sessions, self.users = {}, {}, {}
        return [
            (update, [{"subject": key, "at": at} for key, at in seen.items()])
            for update, seen in taken
            if seen
        ]


class _Known(NamedTuple):
    caller: handlers.Caller
    #: When it was looked up: on this process's steady clock, and in the database's time.
    looked: float
    at: datetime


class Identities:
    """Who showed a key a moment ago: a key that is used a hundred times a second is looked up once.

    Whatever people change forgets them all, on this server at once and on the others as soon as they hear of it, after
    `KEPT` at the latest. Used on the event loop's thread only.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._changes = 0

    def forget(self) -> None:
        """Somebody may have been given other rights, or none."""
        self._changes += 1
        self._known.clear()

    async def of_key(self, service: Service, digest: bytes) -> tuple[handlers.Caller, datetime]:
        """Who shows the key with this digest, and the time of the look. Raises errors.Unauthenticated with the reason."""
        known = self._known.get(digest)
        if known is not None and time.monotonic() - known.looked < KEPT.total_seconds():
            return known.caller, known.at
        changes, looked = self._changes, time.monotonic()
        caller, expires_at, now = await service.database.read(
            lambda connection, now: (*_of_key(connection, now, {"digest": digest}), now)
        )
        lasting = expires_at is None or expires_at - now > LASTING
        if lasting and changes == self._changes:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[digest] = _Known(caller, looked, now)
        return caller, now


async def identify(service: Service, credential: Credential) -> handlers.Caller:
    """The caller that shows this credential. Raises errors.Unauthenticated with the reason."""
    if isinstance(credential, Bearer):
        if credential.token.startswith(tokens.RUN):
            return _run(service, credential.token)
        caller, now = await service.part(Identities).of_key(service, tokens.digest(credential.token))
    else:
        parameters = {"digest": tokens.digest(credential.token)}
        caller, now = await service.database.read(
            lambda connection, now: (_of_session(connection, now, parameters), now)
        )
    service.part(LastUse).seen(caller, now)
    return caller


def _run(service: Service, token: str) -> handlers.Caller:
    """A run token is checked without the database; its fence is checked by every handler, in the handler's transaction."""
    known = tokens.read_run_token(service.secret, token)
    if known is None:
        raise errors.Unauthenticated("this run token is not valid on this server")
    run_id, fence = known
    return handlers.Caller(
        "run", accounts.Role.RUN, id=run_id, name=f"run {run_id}", run_id=run_id, run_fence=fence
    )


def _of_key(
    connection: sa.Connection, now: datetime, parameters: dict[str, bytes]
) -> tuple[handlers.Caller, datetime | None]:
    """Who shows this key, and when it ends."""
    row = connection.execute(_key, parameters).one_or_none()
    if row is None:
        raise errors.Unauthenticated(
            "this API key is not known here: make one on the account page, or `headrace login`"
        )
    if row.revoked_at is not None:
        raise errors.Unauthenticated(
            f"the API key {row.name!r} was revoked on {row.revoked_at:%Y-%m-%d %H:%M} UTC"
        )
    if row.expires_at is not None and row.expires_at <= now:
        raise errors.Unauthenticated(
            f"the API key {row.name!r} expired on {row.expires_at:%Y-%m-%d %H:%M} UTC: make a new one",
            expired_at=row.expires_at.isoformat(),
        )
    return _owner(row), row.expires_at


def _owner(row: Any) -> handlers.Caller:
    if row.user_id is None:
        return handlers.Caller(
            "service_account",
            accounts.Role(row.service_account_role),
            id=row.service_account_id,
            name=row.service_account_name,
            key_id=row.id,
        )
    if not row.active:
        raise errors.Unauthenticated("this account is deactivated: ask an administrator")
    return handlers.Caller(
        "user", accounts.Role(row.user_role), id=row.user_id, name=row.user_name, key_id=row.id
    )


def _of_session(connection: sa.Connection, now: datetime, parameters: dict[str, bytes]) -> handlers.Caller:
    row = connection.execute(_session, parameters).one_or_none()
    if row is None or row.expires_at <= now or not row.active or row.generation != row.current_generation:
        raise errors.Unauthenticated("your session has ended: sign in again")
    return handlers.Caller("user", accounts.Role(row.role), id=row.user_id, name=row.name, session_id=row.id)


async def _write_last_use(service: Service) -> timedelta | None:
    due = service.part(LastUse).take()

    def work(call: handlers.Call[Service]) -> None:
        for update, rows in due:
            call.connection.execute(update, rows)

    if due:
        await service.write(work)
    return None


#: Each server writes what it saw itself, so this loop has no lease.
last_use = loops.Loop("last_use", timedelta(minutes=1), _write_last_use)
