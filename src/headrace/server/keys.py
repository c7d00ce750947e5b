"""API keys of people and of service accounts: shown once, kept as hashes, dead at the next call when revoked."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import identity, tables, tokens
from headrace.server.service import Service, handles
from headrace.web import handlers, ids, pages
from headrace.wire import accounts, operations

Call = handlers.Call[Service]

_LONGEST_NAME = 100
_LONGEST_LIFE = timedelta(days=365 * 100)

_keys = tables.keys
_rows = (
    sa.select(
        _keys,
        tables.users.c.name.label("user_name"),
        tables.service_accounts.c.name.label("service_account_name"),
    )
    .select_from(_keys.outerjoin(tables.users).outerjoin(tables.service_accounts))
    .where(_keys.c.revoked_at.is_(None))
)
_page = _rows.where(_keys.c.id > sa.bindparam("after")).order_by(_keys.c.id).limit(sa.bindparam("n"))
_of_user = _page.where(_keys.c.user_id == sa.bindparam("owner"))
_of_account = _page.where(_keys.c.service_account_id == sa.bindparam("owner"))
_one = _rows.where(_keys.c.id == sa.bindparam("id"))
_revoke = sa.update(_keys).where(_keys.c.id == sa.bindparam("key_id")).values(revoked_at=sa.bindparam("at"))
_replace = (
    sa.update(_keys)
    .where(_keys.c.name == sa.bindparam("old_name"), _keys.c.revoked_at.is_(None))
    .where(
        sa.func.coalesce(_keys.c.user_id, _keys.c.service_account_id) == sa.bindparam("owner", type_=sa.Uuid)
    )
    .values(revoked_at=sa.bindparam("at"))
)
_kept = (
    sa.select(_keys.c.id)
    .where(_keys.c.name == sa.bindparam("old_name"), _keys.c.revoked_at.is_(None))
    .where(_keys.c.value_sha256 == sa.bindparam("digest"))
)
_account = sa.select(tables.service_accounts.c.id).where(tables.service_accounts.c.id == sa.bindparam("id"))

_ZERO = UUID(int=0)


@handles(operations.create_key)
def create_key(call: Call, request: accounts.CreateKey) -> accounts.CreatedKey:
    expires_at = _expiry(call.now, request.expires_in_seconds)
    if request.service_account_id is None:
        if call.caller.kind != "user":
            raise errors.Forbidden("only people have keys of their own")
        return make(call, request.name, user_id=call.caller.id, expires_at=expires_at)
    _refuse_others(call.caller)
    if call.connection.execute(_account, {"id": request.service_account_id}).one_or_none() is None:
        raise errors.NotFound(f"there is no service account {request.service_account_id}")
    return make(call, request.name, service_account_id=request.service_account_id, expires_at=expires_at)


@handles(operations.list_keys)
def list_keys(call: Call, request: accounts.ListKeys) -> wire.Page[accounts.Key]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, UUID) if request.after else _ZERO
    if request.service_account_id is None:
        owned, owner = _of_user, call.caller.id
    else:
        _refuse_others(call.caller)
        owned, owner = _of_account, request.service_account_id
    rows = call.connection.execute(owned, {"after": after, "n": shown + 1, "owner": owner}).all()
    rows, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=[_key(call, row) for row in rows], next=following)


@handles(operations.revoke_key)
def revoke_key(call: Call, request: accounts.KeyRef) -> wire.Empty:
    row = call.connection.execute(_one, {"id": request.key_id}).one_or_none()
    administers = call.caller.may(accounts.Permission.ADMINISTER)
    if row is None or not (administers or (row.user_id is not None and row.user_id == call.caller.id)):
        raise errors.NotFound(f"there is no key {request.key_id}")
    call.connection.execute(_revoke, {"key_id": row.id, "at": call.now})
    return wire.Empty()


def make(
    call: Call,
    name: str,
    *,
    user_id: UUID | None = None,
    service_account_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> accounts.CreatedKey:
    """A new key of one owner. Its value is in the answer and nowhere else."""
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        sentence = f"a key's name has 1 to {_LONGEST_NAME} printable characters"
        raise errors.Invalid(sentence, fields={"name": sentence})
    value = tokens.new(tokens.USER_KEY if service_account_id is None else tokens.SERVICE_KEY)
    values = {
        "id": ids.uuid7(),
        "name": name,
        "hint": value[: tokens.HINT],
        "value_sha256": tokens.digest(value),
        "user_id": user_id,
        "service_account_id": service_account_id,
        "created_at": call.now,
        "expires_at": expires_at,
    }
    call.connection.execute(_keys.insert(), values)
    return accounts.CreatedKey(
        key=_key(call, call.connection.execute(_one, {"id": values["id"]}).one()), value=value
    )


def replace(
    call: Call,
    name: str,
    *,
    keep: str = "",
    user_id: UUID | None = None,
    service_account_id: UUID | None = None,
) -> str:
    """A new key instead of the owner's keys of this name, which are revoked; for the local agent and a user's profile.

    `keep` is the answer, and nothing changes, if it is such a key and still valid.
    """
    if keep and call.connection.execute(_kept, {"old_name": name, "digest": tokens.digest(keep)}).first():
        return keep
    owner = user_id or service_account_id
    call.connection.execute(_replace, {"old_name": name, "owner": owner, "at": call.now})
    return make(call, name, user_id=user_id, service_account_id=service_account_id).value


def _key(call: Call, row: sa.Row[Any]) -> accounts.Key:
    return accounts.Key(
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner=row.user_name or row.service_account_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=call.service.part(identity.LastUse).keys.get(row.id, row.last_used_at),
        expired=row.expires_at is not None and row.expires_at <= call.now,
    )


def _refuse_others(caller: handlers.Caller) -> None:
    if not caller.may(accounts.Permission.ADMINISTER):
        raise errors.Forbidden("only administrators manage the keys of service accounts")


def _expiry(now: datetime, seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    if not 0 < seconds <= _LONGEST_LIFE.total_seconds():
        sentence = "expires_in_seconds is more than 0 and at most a hundred years"
        raise errors.Invalid(sentence, fields={"expires_in_seconds": sentence})
    return now + timedelta(seconds=seconds)
