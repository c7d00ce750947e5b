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


class Reset(wire.Answer, frozen=True, kw_only=True):
    """A link by which a user sets a new password; shown this once."""

    link: str
    expires_at: datetime


class RequestReset(wire.Message, frozen=True, kw_only=True):
    """Whether there is somebody with this address or not, the answer is the same."""

    email: str


class UseReset(wire.Message, frozen=True, kw_only=True):
    """The `token` of a link, and the new password."""

    token: Secret
    password: Secret


class Invitation(wire.Answer, frozen=True, kw_only=True):
    """Somebody who may come in. `origin` is administrator (invited) or sign_up (asked for it, and shows that the address is theirs).

    `mailed_at` is when the link was mailed; `mail_problem` why it was not.
    """

    id: UUID
    email: str
    role: str
    origin: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    expired: bool
    mailed_at: datetime | None
    mail_problem: str


class ListInvitations(wire.Message, frozen=True, kw_only=True):
    """Newest last, those that are too old among them."""

    after: str | None = None
    limit: int = 100


class CreateInvitation(wire.Message, frozen=True, kw_only=True):
    """An earlier invitation of the same address is worth nothing any more."""

    email: str
    role: UserRole = "member"
    expires_in_seconds: float = 7 * 86400


class CreatedInvitation(wire.Answer, frozen=True, kw_only=True):
    """`link` is shown this once. `mailed` says that it is on its way by mail too."""

    invitation: Invitation
    link: str
    mailed: bool


class InvitationRef(wire.Message, frozen=True, kw_only=True):
    invitation_id: UUID


class ReadInvitation(wire.Message, frozen=True, kw_only=True):
    token: Secret


class OpenInvitation(wire.Answer, frozen=True, kw_only=True):
    """What a link invites to."""

    email: str
    role: str
    invited_by: str
    expires_at: datetime


class AcceptInvitation(wire.Message, frozen=True, kw_only=True):
    """The `token` of a link; the account is made with this name and password."""

    token: Secret
    name: str
    password: Secret


Rule = Literal["invitation", "domains", "open"]


class ReadSignUpRule(wire.Message, frozen=True, kw_only=True):
    """A request without fields."""


class SignUpRule(wire.Answer, frozen=True, kw_only=True):
    """Who may sign up without an invitation: nobody (`invitation`), whoever has an address of these `domains`, or anybody
    (`open`); and the role they get. `mail` says whether this server sends mails, without which nobody signs up.
    """

    rule: Rule
    domains: list[str]
    role: str
    mail: bool


class SetSignUpRule(wire.Message, frozen=True, kw_only=True):
    """What is not given stays."""

    rule: Rule | None = None
    domains: list[str] | None = None
    role: Literal["member", "viewer"] | None = None


class SignUp(wire.Message, frozen=True, kw_only=True):
    """Asks for a link by mail. Whether there is an account already or not, the answer is the same."""

    email: str


class ReadWaysIn(wire.Message, frozen=True, kw_only=True):
    """`problem` is what the address of the sign-in page says."""

    problem: str = ""


class Button(wire.Answer, frozen=True, kw_only=True):
    """What leads to the identity provider; `?next=PATH` may be added to `url`."""

    label: str
    url: str


class WaysIn(wire.Answer, frozen=True, kw_only=True):
    """What the sign-in page offers besides a password. `problem` is a sentence about a sign-in that went wrong."""

    sign_up: bool
    reset_by_mail: bool
    provider: Button | None
    problem: str


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
