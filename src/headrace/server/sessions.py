"""Sessions of browsers: signing in by password or one-time link, signing out, and who one is."""

import dataclasses
import importlib.metadata
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import passwords, tables, tokens, tries
from headrace.server.service import Service, handles, prepares, waits
from headrace.web import handlers, ids
from headrace.wire import accounts, operations

Call = handlers.Call[Service]

LASTS = timedelta(days=30)
#: Failed sign-ins allowed in a window, for one address of mail and for one network address.
WINDOW = tries.WINDOW
BY_EMAIL = 10
BY_ADDRESS = 100
#: An invitation that is too old is shown as such for a while.
SHOWN_EXPIRED = timedelta(days=30)

VERSION = importlib.metadata.version("headrace")

_users = tables.users
_sessions = tables.sessions
_links = tables.start_links

_by_email = sa.select(_users.c.id, _users.c.password_hash).where(_users.c.email == sa.bindparam("email"))
_by_id = sa.select(_users).where(_users.c.id == sa.bindparam("id"))
_lock = _by_id.with_for_update()
_use_link = (
    sa.update(_links)
    .where(_links.c.token_sha256 == sa.bindparam("digest"), _links.c.used_at.is_(None))
    .where(_links.c.expires_at > sa.bindparam("now", type_=tables.Instant))
    .values(used_at=sa.bindparam("now", type_=tables.Instant))
    .returning(_links.c.user_id)
)
_end = sa.delete(_sessions).where(_sessions.c.id == sa.bindparam("session_id"))
_end_others = sa.delete(_sessions).where(
    _sessions.c.user_id == sa.bindparam("owner"), _sessions.c.id != sa.bindparam("own")
)
_renew = (
    sa.update(_sessions)
    .where(_sessions.c.id == sa.bindparam("own"))
    .values(generation=sa.bindparam("generation"))
)
_set_password = (
    sa.update(_users)
    .where(_users.c.id == sa.bindparam("owner"))
    .values(password_hash=sa.bindparam("password_hash"), generation=sa.bindparam("generation"))
)
_count_users = sa.select(sa.func.count()).select_from(_users)
_end_all = sa.delete(_sessions).where(_sessions.c.user_id == sa.bindparam("owner"))


# --- signing in ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Checked:
    """What the thread found: the user whose password it is, and the hash that it was compared with."""

    user_id: UUID
    password_hash: str | None


@prepares(operations.sign_in)
def _check_password(service: Service, caller: handlers.Caller, request: accounts.SignIn) -> _Checked | None:
    if request.token:
        return None
    email = request.email.strip().lower()

    def look(call: Call) -> Any:
        tries.refuse_too_many(call, _counted(email, caller))
        return call.connection.execute(_by_email, {"email": email}).one_or_none()

    row = service.look(look)
    if passwords.matches(request.password, row.password_hash if row else None) and row is not None:
        return _Checked(row.id, row.password_hash)
    return None


@waits(operations.sign_in)
async def _count_failures(
    service: Service,
    caller: handlers.Caller,
    request: accounts.SignIn,
    run: Callable[[], Awaitable[accounts.Me]],
) -> accounts.Me:
    """A failure is written in a transaction of its own: the one that failed is rolled back."""
    try:
        return await run()
    except errors.Unauthenticated:
        if not request.token:
            counted = _counted(request.email.strip().lower(), caller)
            await service.write(lambda call: tries.count(call, counted))
        raise


@handles(operations.sign_in)
def sign_in(call: Call, request: accounts.SignIn) -> accounts.Me:
    return enter(call, _by_link(call, request.token) if request.token else _by_password(call, request))


def enter(call: Call, user_id: UUID) -> accounts.Me:
    """Begins a session of this user in the caller's browser; the one that it had there before ends.

    Raises errors.Unauthenticated for a user who is deactivated.
    """
    row = call.connection.execute(_by_id, {"id": user_id}).one()
    if not row.active:
        raise errors.Unauthenticated("this account is deactivated: ask an administrator")
    if call.caller.session_id is not None:
        call.connection.execute(_end, {"session_id": call.caller.session_id})
    session_id = begin(call, row.id, row.generation)
    caller = handlers.Caller("user", accounts.Role(row.role), id=row.id, name=row.name, session_id=session_id)
    return _me(call, caller)


def begin(call: Call, user_id: UUID, generation: int) -> UUID:
    """A new session; its token goes to the browser with the answer, and is not kept."""
    token = tokens.new("")
    session_id = ids.uuid7()
    values = {
        "id": session_id,
        "token_sha256": tokens.digest(token),
        "user_id": user_id,
        "generation": generation,
        "created_at": call.now,
        "expires_at": call.now + LASTS,
        "last_seen_at": call.now,
    }
    call.connection.execute(_sessions.insert(), values)
    call.effects.session = token
    return session_id


def _by_link(call: Call, token: str) -> UUID:
    user_id = call.connection.execute(
        _use_link, {"digest": tokens.digest(token), "now": call.now}
    ).scalar_one_or_none()
    if user_id is None:
        raise errors.Unauthenticated(
            "this link was used already or is too old: sign in, or ask for a new one"
        )
    return user_id


def _by_password(call: Call, request: accounts.SignIn) -> UUID:
    checked: _Checked | None = call.prepared
    email = request.email.strip().lower()
    row = call.connection.execute(_by_email, {"email": email}).one_or_none()
    if (
        checked is None
        or row is None
        or (row.id, row.password_hash) != (checked.user_id, checked.password_hash)
    ):
        raise errors.Unauthenticated("the address or the password is wrong")
    tries.forget(call, f"email:{email}")
    return row.id


def _counted(email: str, caller: handlers.Caller) -> dict[str, int]:
    return tries.subjects("", caller, address=BY_ADDRESS, email=email or "-", of_email=BY_EMAIL)


def forget_old(call: Call, before: datetime) -> None:
    """Removes tries, links and sessions that count no more."""
    tries.forget_old(call, before)
    for table in (_links, tables.resets, tables.departures, _sessions):
        call.connection.execute(sa.delete(table).where(table.c.expires_at < before))
    invitations = tables.invitations
    call.connection.execute(sa.delete(invitations).where(invitations.c.expires_at < before - SHOWN_EXPIRED))


# --- signed in -------------------------------------------------------------------------------------------------------


@handles(operations.sign_out)
def sign_out(call: Call, request: accounts.Nothing) -> wire.Empty:
    if call.caller.session_id is None:
        raise errors.Conflict("a key has no session to end: revoke it instead")
    call.connection.execute(_end, {"session_id": call.caller.session_id})
    call.effects.session = ""
    return wire.Empty()


@handles(operations.read_me)
def read_me(call: Call, request: accounts.Nothing) -> accounts.Me:
    return _me(call, call.caller)


@prepares(operations.change_password)
def _check_and_hash(
    service: Service, caller: handlers.Caller, request: accounts.ChangePassword
) -> tuple[str | None, str]:
    new = passwords.hashed(request.new, "new")
    old: str | None = service.look(
        lambda call: call.connection.execute(_by_id, {"id": caller.id}).one().password_hash
    )
    if old is not None and not passwords.matches(request.current, old):
        raise errors.Forbidden("the current password is wrong", fields={"current": "wrong"})
    return old, new


@handles(operations.change_password)
def change_password(call: Call, request: accounts.ChangePassword) -> wire.Empty:
    if call.caller.session_id is None:
        raise errors.Forbidden("a password is changed by whoever is signed in with a browser, not by a key")
    old, new = call.prepared
    row = call.connection.execute(_lock, {"id": call.caller.id}).one()
    if row.password_hash != old:
        raise errors.Conflict("the password was changed meanwhile: try again")
    generation = row.generation + 1
    call.connection.execute(_set_password, {"owner": row.id, "password_hash": new, "generation": generation})
    call.connection.execute(_end_others, {"owner": row.id, "own": call.caller.session_id})
    call.connection.execute(_renew, {"own": call.caller.session_id, "generation": generation})
    return wire.Empty()


def set_password(call: Call, user_id: UUID, password_hash: str) -> None:
    """A new password without the one before. All sessions end; keys stay."""
    row = call.connection.execute(_lock, {"id": user_id}).one()
    values = {"owner": row.id, "password_hash": password_hash, "generation": row.generation + 1}
    call.connection.execute(_set_password, values)
    call.connection.execute(_end_all, {"owner": row.id})
    tries.forget(call, f"email:{row.email}")


def _me(call: Call, caller: handlers.Caller) -> accounts.Me:
    row = call.connection.execute(_by_id, {"id": caller.id}).one_or_none() if caller.kind == "user" else None
    alone = (
        row is not None
        and row.password_hash is None
        and call.connection.execute(_count_users).scalar_one() == 1
    )
    return accounts.Me(
        kind=caller.kind,
        id=caller.id,
        name=caller.name,
        email=row.email if row else "",
        role=caller.role.value,
        permissions=sorted(accounts.ALLOWS[caller.role] - {accounts.Permission.PUBLIC}),
        csrf_token=tokens.csrf_token(call.service.secret, caller.session_id) if caller.session_id else "",
        first_start=alone,
        has_password=row is not None and row.password_hash is not None,
        server_version=VERSION,
    )
