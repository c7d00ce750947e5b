"""New passwords by a link: mailed to whoever asks for it, or made by an administrator."""

import functools
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import accounts as people
from headrace.server import mail, passwords, sessions, tables, tokens, tries
from headrace.server.service import Service, handles, prepares
from headrace.web import handlers
from headrace.wire import accounts, operations

Call = handlers.Call[Service]

#: How long a link is good that was mailed, and one that an administrator passes on.
MAILED_LASTS = timedelta(hours=1)
LASTS = timedelta(hours=24)
#: Mails asked for in a window (`tries.WINDOW`), for one address of mail and from one network address.
BY_EMAIL = 3
BY_ADDRESS = 30

_resets = tables.resets
_users = tables.users
_now = sa.bindparam("now", type_=tables.Instant)
_by_token = (
    sa.select(_resets.c.user_id)
    .join(_users, _users.c.id == _resets.c.user_id)
    .where(_resets.c.token_sha256 == sa.bindparam("digest"), _resets.c.expires_at > _now)
    .where(_users.c.generation == _resets.c.generation, _users.c.active)
)
#: Whoever deletes the row is the one who sets the password.
_take = sa.delete(_resets).where(_resets.c.token_sha256 == sa.bindparam("digest"))
_identity = sa.select(tables.identities.c.subject).where(tables.identities.c.user_id == sa.bindparam("owner"))
_end = sa.delete(_resets).where(_resets.c.user_id == sa.bindparam("owner"))


@handles(operations.create_reset)
def create_reset(call: Call, request: accounts.UserRef) -> accounts.Reset:
    """An earlier link of the same person is worth nothing any more."""
    row = people.found(call, request.user_id)
    if not row.active:
        raise errors.Conflict(f"{row.name} is deactivated: activate them first")
    call.connection.execute(_end, {"owner": row.id})
    call.before = {"name": row.name, "email": row.email}
    link, expires_at = make(call, row.id, row.generation, LASTS)
    return accounts.Reset(link=link, expires_at=expires_at)


@handles(operations.request_reset)
def request_reset(call: Call, request: accounts.RequestReset) -> wire.Empty:
    """Looks at nothing that depends on who has an account: that is done when the answer has been given."""
    if not mail.is_set(call.service.settings):
        raise errors.Conflict("this server sends no mails: ask an administrator for a link")
    email = people.read_email(request.email)
    counted = tries.subjects("reset ", call.caller, address=BY_ADDRESS, email=email, of_email=BY_EMAIL)
    tries.refuse_too_many(call, counted)
    tries.count(call, counted)
    mail.after_commit(call, functools.partial(_send, call.service, email))
    return wire.Empty()


@prepares(operations.use_reset)
def _hash_password(service: Service, caller: handlers.Caller, request: accounts.UseReset) -> str | None:
    """Hashing is dear: only for a link that is good."""
    found = {"digest": tokens.digest(request.token)}
    known = service.look(lambda call: call.connection.execute(_by_token, {**found, "now": call.now}).first())
    return passwords.hashed(request.password, "password") if known is not None else None


@handles(operations.use_reset)
def use_reset(call: Call, request: accounts.UseReset) -> wire.Empty:
    digest = tokens.digest(request.token)
    user_id = call.connection.execute(_by_token, {"digest": digest, "now": call.now}).scalar_one_or_none()
    if (
        user_id is None
        or call.prepared is None
        or not call.connection.execute(_take, {"digest": digest}).rowcount
    ):
        raise errors.Unauthenticated("this link was used already or is too old: ask for a new one")
    sessions.set_password(call, user_id, call.prepared)
    call.connection.execute(_end, {"owner": user_id})
    return wire.Empty()


def make(call: Call, user_id: UUID, generation: int, lasts: timedelta) -> tuple[str, datetime]:
    """A link by which this user sets a new password, and until when. A password set meanwhile makes it worthless."""
    token, expires_at = tokens.new(""), call.now + lasts
    values = {
        "token_sha256": tokens.digest(token),
        "user_id": user_id,
        "generation": generation,
        "expires_at": expires_at,
    }
    call.connection.execute(_resets.insert(), values)
    return f"{call.service.settings.url}/reset?token={token}", expires_at


def make_for(call: Call, email: str) -> str:
    """A link for whoever has this address, by somebody who holds the database. Raises errors.NotFound."""
    user_id = people.by_email(call, people.read_email(email))
    if user_id is None:
        raise errors.NotFound(f"there is nobody with the address {email}")
    return create_reset(call, accounts.UserRef(user_id=user_id)).link


async def _send(service: Service, email: str) -> None:
    """A link, or for somebody who comes by the identity provider alone a word about that: the link would lead past it."""

    def work(call: Call) -> str | None:
        user_id = people.by_email(call, email)
        row = None if user_id is None else people.found(call, user_id)
        if row is None or not row.active:
            return None
        if row.password_hash is None and call.connection.execute(_identity, {"owner": row.id}).first():
            return ""
        return make(call, row.id, row.generation, MAILED_LASTS)[0]

    link = await service.write(work)
    if link is None:
        return
    asked = f"Somebody, likely you, wants a new password for your account at {service.settings.url}."
    rest = "You have none: sign in there with the button below the password."
    if link:
        rest = f"This link sets it, within an hour:\n\n{link}\n\nIf it was not you, do nothing: your password stays as it is."
    await mail.send(service, email, "A new password for Headrace", f"{asked} {rest}")
