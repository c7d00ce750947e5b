"""People and service accounts: who there is, what they may do, how the first one comes in."""

import dataclasses
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import passwords, tables, tokens
from headrace.server.service import Service, handles, prepares
from headrace.web import handlers, ids, pages
from headrace.wire import accounts, operations

Call = handlers.Call[Service]

#: A link for a new user, and the one of the first start.
INVITATION = timedelta(days=7)
START_LINK = timedelta(hours=24)
#: The service account of the agent that `headrace up` starts.
LOCAL_AGENT = "local-agent"

_LONGEST_NAME = 100
_LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*")
_FIRST_EMAIL = "administrator@localhost"

_users = tables.users
#: Locked: who changes somebody has read what they change.
_lock = sa.select(_users).where(_users.c.id == sa.bindparam("id")).with_for_update()
_by_email = sa.select(_users.c.id).where(_users.c.email == sa.bindparam("email"))
_user_page = (
    sa.select(_users)
    .where(_users.c.id > sa.bindparam("after"))
    .order_by(_users.c.id)
    .limit(sa.bindparam("n"))
)
_update = sa.update(_users).where(_users.c.id == sa.bindparam("user_id")).values(
    name=sa.bindparam("name"), role=sa.bindparam("role"), active=sa.bindparam("active"), generation=sa.bindparam("generation")
)  # fmt: skip
_delete = sa.delete(_users).where(_users.c.id == sa.bindparam("user_id"))
#: Locked, so that two administrators who demote each other at once do not leave none.
_administrators = (
    sa.select(_users.c.id)
    .where(_users.c.role == "administrator", _users.c.active)
    .order_by(_users.c.id)
    .with_for_update()
)
_endings = [
    sa.delete(table).where(table.c.user_id == sa.bindparam("user_id"))
    for table in (tables.sessions, tables.start_links, tables.resets)
]

_accounts = tables.service_accounts
_account_rows = sa.select(
    _accounts,
    sa.select(sa.func.count())
    .where(tables.keys.c.service_account_id == _accounts.c.id, tables.keys.c.revoked_at.is_(None))
    .scalar_subquery()
    .label("keys"),
)
_account_page = (
    _account_rows.where(_accounts.c.id > sa.bindparam("after"))
    .order_by(_accounts.c.id)
    .limit(sa.bindparam("n"))
)
_account_by_name = sa.select(_accounts.c.id).where(_accounts.c.name == sa.bindparam("name"))
_delete_account = (
    sa.delete(_accounts).where(_accounts.c.id == sa.bindparam("account_id")).returning(_accounts.c.id)
)

_ZERO = UUID(int=0)


@dataclasses.dataclass(frozen=True)
class Begun:
    """The first administrator has just been made; whoever shows the token once is signed in as them."""

    user_id: UUID
    token: str


# --- users -----------------------------------------------------------------------------------------------------------


@handles(operations.list_users)
def list_users(call: Call, request: accounts.ListUsers) -> wire.Page[accounts.User]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, UUID) if request.after else _ZERO
    rows = call.connection.execute(_user_page, {"after": after, "n": shown + 1}).all()
    rows, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=[_user(row) for row in rows], next=following)


@prepares(operations.create_user)
def _hash_first_password(
    service: Service, caller: handlers.Caller, request: accounts.CreateUser
) -> str | None:
    return passwords.hashed(request.password, "password") if request.password else None


@handles(operations.create_user)
def create_user(call: Call, request: accounts.CreateUser) -> accounts.CreatedUser:
    email = read_email(request.email)
    refuse_taken(call, email)
    user_id = insert(call, read_name(request.name), email, accounts.Role(request.role), call.prepared)
    link = ""
    if not request.password:
        link = f"{call.service.settings.url}/start?token={make_start_link(call, user_id, lasts=INVITATION)}"
    return accounts.CreatedUser(user=_user(found(call, user_id)), link=link)


@handles(operations.update_user)
def update_user(call: Call, request: accounts.UpdateUser) -> accounts.User:
    others = _lock_administrators(call, request.user_id)
    row = found(call, request.user_id)
    role = request.role or row.role
    active = row.active if request.active is None else request.active
    if row.role == "administrator" and row.active and not (role == "administrator" and active):
        _refuse_last_administrator(others)
    ends = row.active and not active
    values = {
        "user_id": row.id,
        "name": row.name if request.name is None else read_name(request.name),
        "role": role,
        "active": active,
        "generation": row.generation + ends,
    }
    call.before = {"name": row.name, "role": row.role, "active": row.active}
    call.connection.execute(_update, values)
    if ends:
        for ending in _endings:
            call.connection.execute(ending, {"user_id": row.id})
    return _user(found(call, row.id))


@handles(operations.delete_user)
def delete_user(call: Call, request: accounts.UserRef) -> wire.Empty:
    others = _lock_administrators(call, request.user_id)
    row = found(call, request.user_id)
    if row.role == "administrator" and row.active:
        _refuse_last_administrator(others)
    call.before = {"name": row.name, "email": row.email, "role": row.role}
    call.connection.execute(_delete, {"user_id": row.id})
    return wire.Empty()


# --- service accounts ------------------------------------------------------------------------------------------------


@handles(operations.list_service_accounts)
def list_service_accounts(
    call: Call, request: accounts.ListServiceAccounts
) -> wire.Page[accounts.ServiceAccount]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, UUID) if request.after else _ZERO
    rows = call.connection.execute(_account_page, {"after": after, "n": shown + 1}).all()
    rows, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=[_account(row) for row in rows], next=following)


@handles(operations.create_service_account)
def create_service_account(call: Call, request: accounts.CreateServiceAccount) -> accounts.ServiceAccount:
    name = read_name(request.name)
    if call.connection.execute(_account_by_name, {"name": name}).one_or_none() is not None:
        raise errors.Conflict(f"there is a service account {name!r} already", fields={"name": "taken"})
    made = accounts.ServiceAccount(
        id=ids.uuid7(), name=name, role=request.role, created_at=call.now, created_by=call.caller.name, keys=0
    )
    values = {
        "id": made.id,
        "name": made.name,
        "role": made.role,
        "created_at": made.created_at,
        "created_by": made.created_by,
    }
    call.connection.execute(_accounts.insert(), values)
    return made


@handles(operations.delete_service_account)
def delete_service_account(call: Call, request: accounts.ServiceAccountRef) -> wire.Empty:
    if (
        call.connection.execute(_delete_account, {"account_id": request.service_account_id}).one_or_none()
        is None
    ):
        raise errors.NotFound(f"there is no service account {request.service_account_id}")
    return wire.Empty()


def ensure_local_agent(call: Call) -> UUID:
    """The service account of the agent beside the server, made when it is not there."""
    found = call.connection.execute(_account_by_name, {"name": LOCAL_AGENT}).scalar_one_or_none()
    if found is None:
        found = create_service_account(call, accounts.CreateServiceAccount(name=LOCAL_AGENT, role="agent")).id
    return found


# --- the way in ------------------------------------------------------------------------------------------------------


def ensure_first_administrator(call: Call) -> Begun | None:
    """Makes the first user where there is none; None where there is one."""
    if call.connection.execute(sa.select(_users.c.id).limit(1)).one_or_none() is not None:
        return None
    user_id = insert(call, "Administrator", _FIRST_EMAIL, accounts.Role.ADMINISTRATOR, None)
    return Begun(user_id, make_start_link(call, user_id))


def first_administrator(call: Call) -> UUID:
    """The administrator who was there first: the one whose machine this is, where it is one person's."""
    found = call.connection.execute(_administrators).scalars().first()
    if found is None:
        raise errors.NotFound("there is no administrator")
    return found


def make_start_link(call: Call, user_id: UUID, *, lasts: timedelta = START_LINK) -> str:
    """A token that signs this user in once; `/start?token=…` is the page that shows it."""
    token = tokens.new("")
    values = {
        "token_sha256": tokens.digest(token),
        "user_id": user_id,
        "expires_at": call.now + lasts,
        "used_at": None,
    }
    call.connection.execute(tables.start_links.insert(), values)
    return token


# --- rows ------------------------------------------------------------------------------------------------------------


def insert(call: Call, name: str, email: str, role: accounts.Role, password_hash: str | None) -> UUID:
    user_id = ids.uuid7()
    values = {
        "id": user_id,
        "name": name,
        "email": email,
        "role": role.value,
        "active": True,
        "password_hash": password_hash,
        "generation": 0,
        "created_at": call.now,
        "last_seen_at": None,
    }
    call.connection.execute(_users.insert(), values)
    return user_id


def found(call: Call, user_id: UUID) -> sa.Row[Any]:
    row = call.connection.execute(_lock, {"id": user_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no user {user_id}")
    return row


def refuse_taken(call: Call, email: str) -> None:
    """Raises errors.Conflict where somebody has this address."""
    if by_email(call, email) is not None:
        raise errors.Conflict(f"there is a user with the address {email} already", fields={"email": "taken"})


def by_email(call: Call, email: str) -> UUID | None:
    """Who has this address, written as `read_email` writes it."""
    return call.connection.execute(_by_email, {"email": email}).scalar_one_or_none()


def _lock_administrators(call: Call, but: UUID) -> set[UUID]:
    """The administrators beside this user. Locked before the user is, so that two who change each other do so in turn."""
    return set(call.connection.execute(_administrators).scalars()) - {but}


def _refuse_last_administrator(others: set[UUID]) -> None:
    if not others:
        raise errors.Conflict("this is the last administrator: make another one first")


def _user(row: sa.Row[Any]) -> accounts.User:
    return accounts.User(
        id=row.id,
        name=row.name,
        email=row.email,
        role=row.role,
        active=row.active,
        has_password=row.password_hash is not None,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
    )


def _account(row: sa.Row[Any]) -> accounts.ServiceAccount:
    return accounts.ServiceAccount(
        id=row.id,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        created_by=row.created_by,
        keys=row.keys,
    )


def read_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        sentence = f"a name has 1 to {_LONGEST_NAME} printable characters"
        raise errors.Invalid(sentence, fields={"name": sentence})
    return name


def read_email(email: str) -> str:
    """The address as it is kept. Strict, for a mail goes there: no lists, no quotes, no names beside it."""
    email = email.strip().lower()
    if len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise errors.Invalid("this is not an address of mail", fields={"email": "not an address"})
    return email
