"""Invitations: who may come in by a link, once. Those who ask for one themselves, by the sign-up rule, get one too."""

import functools
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import accounts as people
from headrace.server import mail, passwords, sessions, sign_up_rule, tables, tokens
from headrace.server.service import Service, handles, prepares
from headrace.web import handlers, ids, pages
from headrace.wire import accounts, operations

Call = handlers.Call[Service]

#: How long the link is good that somebody gets who signs up.
SIGN_UP_LASTS = timedelta(hours=24)
_LONGEST = timedelta(days=90)
_ZERO = UUID(int=0)

_invitations = tables.invitations
_now = sa.bindparam("now", type_=tables.Instant)
_page = (
    sa.select(_invitations)
    .where(_invitations.c.id > sa.bindparam("after"))
    .order_by(_invitations.c.id)
    .limit(sa.bindparam("n"))
)
_by_id = sa.select(_invitations).where(_invitations.c.id == sa.bindparam("id"))
_by_token = sa.select(_invitations).where(
    _invitations.c.token_sha256 == sa.bindparam("digest"), _invitations.c.expires_at > _now
)
#: Whoever deletes the row is the one who comes in by it.
_take = (
    sa.delete(_invitations)
    .where(_invitations.c.token_sha256 == sa.bindparam("digest"), _invitations.c.expires_at > _now)
    .returning(_invitations)
)
_of_email = (
    sa.select(_invitations)
    .where(_invitations.c.email == sa.bindparam("email"), _invitations.c.origin == "administrator")
    .where(_invitations.c.expires_at > _now)
    .order_by(_invitations.c.id.desc())
)
_delete = (
    sa.delete(_invitations).where(_invitations.c.id == sa.bindparam("invitation_id")).returning(_invitations)
)
_delete_all = sa.delete(_invitations).where(_invitations.c.email == sa.bindparam("invited"))
_delete_sign_ups = _delete_all.where(_invitations.c.origin == "sign_up")
_mailed = (
    sa.update(_invitations)
    .where(_invitations.c.id == sa.bindparam("invitation_id"))
    .values(mailed_at=sa.bindparam("at", type_=tables.Instant), mail_problem=sa.bindparam("problem"))
)


# --- by administrators -----------------------------------------------------------------------------------------------


@handles(operations.list_invitations)
def list_invitations(call: Call, request: accounts.ListInvitations) -> wire.Page[accounts.Invitation]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, UUID) if request.after else _ZERO
    rows = call.connection.execute(_page, {"after": after, "n": shown + 1}).all()
    rows, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=[_invitation(row, call.now) for row in rows], next=following)


@handles(operations.create_invitation)
def create_invitation(call: Call, request: accounts.CreateInvitation) -> accounts.CreatedInvitation:
    email = people.read_email(request.email)
    people.refuse_taken(call, email)
    if not 0 < request.expires_in_seconds <= _LONGEST.total_seconds():
        sentence = f"expires_in_seconds is more than 0 and at most {_LONGEST.days} days"
        raise errors.Invalid(sentence, fields={"expires_in_seconds": sentence})
    call.connection.execute(_delete_all, {"invited": email})
    lasts = timedelta(seconds=request.expires_in_seconds)
    row, token = _insert(call, email, request.role, lasts, by=call.caller.name)
    link = _link(call.service, token)
    mailed = mail.is_set(call.service.settings)
    if mailed:
        lines = f"{row.created_by} invites you to Headrace. This link is for you alone, until {_day(row)}:\n\n{link}"
        mail.after_commit(call, functools.partial(_send, call.service, row, lines))
    return accounts.CreatedInvitation(invitation=_invitation(row, call.now), link=link, mailed=mailed)


@handles(operations.delete_invitation)
def delete_invitation(call: Call, request: accounts.InvitationRef) -> wire.Empty:
    row = call.connection.execute(_delete, {"invitation_id": request.invitation_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no invitation {request.invitation_id}")
    call.before = {"email": row.email, "role": row.role}
    return wire.Empty()


# --- by those who sign up --------------------------------------------------------------------------------------------


async def mail_sign_up(service: Service, email: str) -> None:
    """Mails a link to whoever asked for one, if the rule lets them in; who has an account is told of it."""

    def work(call: Call) -> tuple[sa.Row[Any], str] | None:
        role = sign_up_rule.role_of(call, email)
        if role is None:
            return None
        if people.by_email(call, email) is not None:
            return None
        call.connection.execute(_delete_sign_ups, {"invited": email})
        row, token = _insert(call, email, role, SIGN_UP_LASTS, origin="sign_up")
        return row, _link(call.service, token)

    made = await service.write(work)
    url = service.settings.url
    if made is None:
        lines = f"Somebody, likely you, wants to sign up at {url} with this address.\nThere is an account: sign in, or set a new password there."
        await mail.send(service, email, "You have an account at Headrace", lines)
    else:
        row, link = made
        lines = f"Somebody, likely you, signs up at {url} with this address.\nThis link goes on with it, until {_day(row)}:\n\n{link}"
        await _send(service, row, lines)


# --- coming in -------------------------------------------------------------------------------------------------------


@handles(operations.read_invitation)
def read_invitation(call: Call, request: accounts.ReadInvitation) -> accounts.OpenInvitation:
    found = {"digest": tokens.digest(request.token), "now": call.now}
    row = call.connection.execute(_by_token, found).one_or_none()
    if row is None:
        raise _used()
    return accounts.OpenInvitation(
        email=row.email, role=row.role, invited_by=row.created_by, expires_at=row.expires_at
    )


@prepares(operations.accept_invitation)
def _hash_password(
    service: Service, caller: handlers.Caller, request: accounts.AcceptInvitation
) -> str | None:
    """Hashing is dear: only for a link that is good."""
    found = {"digest": tokens.digest(request.token)}
    known = service.look(lambda call: call.connection.execute(_by_token, {**found, "now": call.now}).first())
    return passwords.hashed(request.password, "password") if known is not None else None


@handles(operations.accept_invitation)
def accept_invitation(call: Call, request: accounts.AcceptInvitation) -> accounts.Me:
    taken = {"digest": tokens.digest(request.token), "now": call.now}
    row = call.connection.execute(_take, taken).one_or_none()
    if row is None or call.prepared is None:
        raise _used()
    role = row.role
    if row.origin == "sign_up" and (role := sign_up_rule.role_of(call, row.email)) is None:
        raise errors.Forbidden("signing up was closed meanwhile: ask an administrator for an invitation")
    return sessions.enter(call, admit(call, row.email, request.name, role, call.prepared))


def admit(call: Call, email: str, name: str, role: str, password_hash: str | None = None) -> UUID:
    """Makes the account of somebody who has shown that the address is theirs. Raises errors.Conflict where there is one."""
    people.refuse_taken(call, email)
    call.connection.execute(_delete_all, {"invited": email})
    return people.insert(call, people.read_name(name), email, accounts.Role(role), password_hash)


def invited_as(call: Call, email: str) -> str | None:
    """The role to which an administrator has invited this address."""
    row = call.connection.execute(_of_email, {"email": email, "now": call.now}).first()
    return None if row is None else row.role


# --- rows ------------------------------------------------------------------------------------------------------------


def _insert(
    call: Call, email: str, role: str, lasts: timedelta, *, by: str = "", origin: str = "administrator"
) -> tuple[sa.Row[Any], str]:
    token = tokens.new("")
    values = {
        "id": ids.uuid7(),
        "token_sha256": tokens.digest(token),
        "email": email,
        "role": role,
        "origin": origin,
        "created_at": call.now,
        "created_by": by,
        "expires_at": call.now + lasts,
        "mailed_at": None,
        "mail_problem": "",
    }
    call.connection.execute(_invitations.insert(), values)
    return call.connection.execute(_by_id, {"id": values["id"]}).one(), token


async def _send(service: Service, row: sa.Row[Any], lines: str) -> None:
    """Mails it, and writes down what became of that."""
    problem = ""
    try:
        await mail.send(service, row.email, "Your invitation to Headrace", lines)
    except errors.HeadraceError as error:
        problem = error.message

    def work(call: Call) -> None:
        at = None if problem else call.now
        call.connection.execute(_mailed, {"invitation_id": row.id, "at": at, "problem": problem})

    await service.write(work)


def _link(service: Service, token: str) -> str:
    return f"{service.settings.url}/invitation?token={token}"


def _day(row: sa.Row[Any]) -> str:
    return f"{row.expires_at:%Y-%m-%d %H:%M} UTC"


def _used() -> errors.Unauthenticated:
    return errors.Unauthenticated(
        "this invitation was used, withdrawn, or is too old: sign in, or ask for a new one"
    )


def _invitation(row: sa.Row[Any], now: datetime) -> accounts.Invitation:
    return accounts.Invitation(
        id=row.id,
        email=row.email,
        role=row.role,
        origin=row.origin,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        expired=row.expires_at <= now,
        mailed_at=row.mailed_at,
        mail_problem=row.mail_problem,
    )
