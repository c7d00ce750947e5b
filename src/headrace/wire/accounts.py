"""People, service accounts, keys, sessions, and what each role may do."""

import enum
from datetime import datetime
from typing import Literal
from uuid import UUID

from headrace import wire
from headrace.wire.secrets import Secret


class Permission(enum.StrEnum):
    """What an operation needs of its caller."""

    PUBLIC = "public"
    ACCOUNT = "account"
    READ = "read"
    RUN = "run"
    REGISTER = "register"
    ADMINISTER = "administer"
    AGENT = "agent"
    REPORT = "report"


class Role(enum.StrEnum):
    """Users are administrator, member or viewer; service accounts are agent or registrar; run is a run process's own;
    anonymous is whoever has not signed in.
    """

    ADMINISTRATOR = "administrator"
    MEMBER = "member"
    VIEWER = "viewer"
    AGENT = "agent"
    REGISTRAR = "registrar"
    RUN = "run"
    ANONYMOUS = "anonymous"


#: The whole of authorisation by role; a run token is bound to its run besides.
ALLOWS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.PUBLIC,
            Permission.ACCOUNT,
            Permission.READ,
            Permission.RUN,
            Permission.REGISTER,
            Permission.ADMINISTER,
            Permission.AGENT,
        }
    ),
    Role.MEMBER: frozenset(
        {Permission.PUBLIC, Permission.ACCOUNT, Permission.READ, Permission.RUN, Permission.REGISTER}
    ),
    Role.VIEWER: frozenset({Permission.PUBLIC, Permission.ACCOUNT, Permission.READ}),
    Role.AGENT: frozenset({Permission.PUBLIC, Permission.AGENT}),
    Role.REGISTRAR: frozenset({Permission.PUBLIC, Permission.READ, Permission.REGISTER}),
    Role.RUN: frozenset({Permission.PUBLIC, Permission.REPORT}),
    Role.ANONYMOUS: frozenset({Permission.PUBLIC}),
}

UserRole = Literal["administrator", "member", "viewer"]
ServiceRole = Literal["agent", "registrar"]


class SignIn(wire.Message, frozen=True, kw_only=True):
    """By password, or by the one-time `token` of a start link."""

    email: str = ""
    password: Secret = ""
    token: Secret = ""


class User(wire.Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    email: str
    role: str
    active: bool
    has_password: bool
    created_at: datetime
    last_seen_at: datetime | None


class Me(wire.Answer, frozen=True, kw_only=True):
    """Who is calling. `csrf_token` goes into the `X-CSRF-Token` header of unsafe requests made with a cookie."""

    kind: str
    id: UUID | None
    name: str
    email: str
    role: str
    permissions: list[str]
    csrf_token: str
    first_start: bool
    has_password: bool
    server_version: str


class Nothing(wire.Message, frozen=True, kw_only=True):
    """A request without fields."""


class ListUsers(wire.Message, frozen=True, kw_only=True):
    after: str | None = None
    limit: int = 100


class CreateUser(wire.Message, frozen=True, kw_only=True):
    """`password` may be left empty: the answer then carries a one-time link for the new user."""

    name: str
    email: str
    role: UserRole = "member"
    password: Secret = ""


class CreatedUser(wire.Answer, frozen=True, kw_only=True):
    """`link` is shown this once."""

    user: User
    link: str


class UpdateUser(wire.Message, frozen=True, kw_only=True):
    user_id: UUID
    name: str | None = None
    role: UserRole | None = None
    active: bool | None = None


class UserRef(wire.Message, frozen=True, kw_only=True):
    user_id: UUID


class ChangePassword(wire.Message, frozen=True, kw_only=True):
    """`current` may be left empty by whoever has no password yet."""

    current: Secret = ""
    new: Secret


class ServiceAccount(wire.Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    role: str
    created_at: datetime
    created_by: str
    keys: int


class CreateServiceAccount(wire.Message, frozen=True, kw_only=True):
    name: str
    role: ServiceRole = "agent"


class ServiceAccountRef(wire.Message, frozen=True, kw_only=True):
    service_account_id: UUID


class ListServiceAccounts(wire.Message, frozen=True, kw_only=True):
    after: str | None = None
    limit: int = 100


class CreateKey(wire.Message, frozen=True, kw_only=True):
    """A key of the caller's own, or of a service account. `expires_in_seconds` None: it does not expire."""

    name: str
    service_account_id: UUID | None = None
    expires_in_seconds: float | None = None


class ListKeys(wire.Message, frozen=True, kw_only=True):
    """The caller's own keys, or a service account's."""

    service_account_id: UUID | None = None
    after: str | None = None
    limit: int = 100


class KeyRef(wire.Message, frozen=True, kw_only=True):
    key_id: UUID


class Key(wire.Answer, frozen=True, kw_only=True):
    """`hint` is the key's beginning, enough to know it again."""

    id: UUID
    name: str
    hint: str
    owner: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    expired: bool


class CreatedKey(wire.Answer, frozen=True, kw_only=True):
    """`value` is shown this once."""

    key: Key
    value: str
