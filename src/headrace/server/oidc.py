"""Signing in by an identity provider (OpenID Connect): the authorization code flow with PKCE, state and nonce.

A browser leaves with a ticket in a cookie, and a state that is a row here; only both together let it come back, once.
Nonce and verifier are made from the state by the server's secret, so that they lie nowhere.
"""

import logging
from datetime import timedelta
from typing import Any, Literal, cast
from urllib.parse import unquote, urlencode, urlsplit
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.server import accounts as people
from headrace.server import (
    audit,
    id_tokens,
    invitations,
    provider,
    sessions,
    sign_up_rule,
    tables,
    tokens,
    tries,
)
from headrace.server.provider import Provider
from headrace.server.service import Service
from headrace.settings import Settings
from headrace.web import handlers, targets
from headrace.web.service import Redirect, Visit
from headrace.wire import accounts, operations

log = logging.getLogger(__name__)

Call = handlers.Call[Service]

LEAVE, CALLBACK = "/oidc/sign-in", "/oidc/callback"
#: How long somebody may take at the identity provider.
LASTS = timedelta(minutes=10)
#: How many may leave from one network address in a window (`tries.WINDOW`).
BY_ADDRESS = 1000
_LONGEST_PATH = 2000

Problem = Literal[
    "too_many", "over", "refused", "unusable", "invalid", "email", "stranger", "deactivated", "taken"
]
#: What the sign-in page says. Why exactly an answer was not accepted is told to the log alone.
SENTENCES: dict[str, str] = {
    "too_many": "Too many sign-ins were begun from this network: wait a few minutes.",
    "over": "This sign-in was begun in another browser, took too long, or is finished: try again.",
    "refused": "The identity provider did not sign you in.",
    "unusable": "The identity provider cannot be used just now: try again, or tell an administrator.",
    "invalid": "The identity provider's answer was not accepted; the server's log says why.",
    "email": "The identity provider does not say that your address of mail is yours.",
    "stranger": "You may not come in yet: ask an administrator for an invitation.",
    "deactivated": "Your account is deactivated: ask an administrator.",
    "taken": "The account with your address belongs to another identity: ask an administrator.",
}

_departures = tables.departures
_identities = tables.identities
#: Whoever deletes the row is the one who comes back.
_return = (
    sa.delete(_departures)
    .where(_departures.c.state_sha256 == sa.bindparam("state"))
    .where(_departures.c.ticket_sha256 == sa.bindparam("ticket"))
    .where(_departures.c.expires_at > sa.bindparam("now", type_=tables.Instant))
    .returning(_departures.c.next)
)
_identity = sa.select(_identities.c.user_id).where(
    _identities.c.issuer == sa.bindparam("issuer"), _identities.c.subject == sa.bindparam("subject")
)
_others = sa.select(_identities.c.subject).where(
    _identities.c.issuer == sa.bindparam("issuer"), _identities.c.user_id == sa.bindparam("owner")
)
_RANKS: tuple[accounts.UserRole, ...] = ("administrator", "member", "viewer")


class NotAdmitted(errors.Forbidden):
    """Whoever comes from the identity provider does not come in."""

    def __init__(self, problem: Problem, why: str) -> None:
        super().__init__(why)
        self.problem: Problem = problem


# --- settings --------------------------------------------------------------------------------------------------------


def set_up(service: Service) -> None:
    """Opens the way where the settings name an identity provider. Raises errors.SettingsError where they are wrong."""
    settings = service.settings
    if not settings.oidc_issuer:
        return
    check(settings)
    service.part(Provider).allow(settings)
    service.redirects[LEAVE] = leave
    service.redirects[CALLBACK] = come_back


def check(settings: Settings) -> None:
    """Raises errors.SettingsError with the name of the setting that is wrong."""
    try:
        targets.read_url(settings.oidc_issuer)
    except errors.Invalid as error:
        raise errors.SettingsError(f"oidc_issuer: {error}") from None
    if "?" in settings.oidc_issuer or "#" in settings.oidc_issuer:
        raise errors.SettingsError("oidc_issuer has no query and no fragment")
    if not settings.oidc_client_id:
        raise errors.SettingsError(
            "oidc_client_id is missing: the identity provider has given one to this server"
        )
    if not {"openid", "email"} <= set(settings.oidc_scopes.split()):
        raise errors.SettingsError("oidc_scopes lacks openid or email")
    if settings.oidc_new_people not in ("invited", "rule", "all"):
        raise errors.SettingsError(
            f"oidc_new_people is invited, rule or all, not {settings.oidc_new_people!r}"
        )
    for group, role in settings.oidc_roles.items():
        if role not in _RANKS:
            raise errors.SettingsError(
                f"oidc_roles: {group!r} is given {role!r}, which is not one of {', '.join(_RANKS)}"
            )


# --- there and back --------------------------------------------------------------------------------------------------


async def leave(service: Service, visit: Visit) -> Redirect:
    """Sends a browser to the identity provider."""
    state, ticket = tokens.new(""), tokens.new("")
    counted = tries.subjects("oidc ", visit.caller, address=BY_ADDRESS)

    def depart(call: Call) -> Any:
        tries.refuse_too_many(call, counted)
        tries.count(call, counted)
        values = {
            "state_sha256": tokens.digest(state),
            "ticket_sha256": tokens.digest(ticket),
            "next": safe_path(visit.query.get("next", "")),
            "expires_at": call.now + LASTS,
        }
        call.connection.execute(_departures.insert(), values)
        return call.now

    try:
        now = await service.write(depart)
        described = await service.part(Provider).description(service.settings, now)
    except errors.TooManyRequests:
        return _to_sign_in("too_many")
    except provider.Unusable as error:
        log.warning("nobody can leave for the identity provider: %s", error)
        return _to_sign_in("unusable")
    location = provider.authorize_url(
        service.settings,
        described,
        state=state,
        nonce=tokens.derived(service.secret, "oidc nonce", state),
        verifier=tokens.derived(service.secret, "oidc verifier", state),
    )
    return Redirect(location, ticket=ticket)


async def come_back(service: Service, visit: Visit) -> Redirect:
    """Lets a browser in that comes from the identity provider, or says on the sign-in page why not."""
    problem: Problem
    try:
        return await _come_back(service, visit)
    except NotAdmitted as refused:
        problem = refused.problem
        log.info("somebody from the identity provider was not let in: %s", refused)
    except id_tokens.Refused as refused:
        problem = "invalid"
        log.warning("the identity provider's answer was not accepted: %s", refused)
    except provider.Unusable as error:
        problem = "unusable"
        log.warning("%s", error)
    return _to_sign_in(problem)


async def _come_back(service: Service, visit: Visit) -> Redirect:
    settings, state = service.settings, visit.query.get("state", "")

    def take(call: Call) -> Any:
        hashes = {"state": tokens.digest(state), "ticket": tokens.digest(visit.ticket), "now": call.now}
        return call.connection.execute(_return, hashes).scalar_one_or_none(), call.now

    path, now = await service.write(take)
    if path is None:
        raise NotAdmitted("over", "there is no such state for this browser, or not any more")
    there = service.part(Provider)
    described = await there.description(settings, now)
    _check_answer(settings, described, visit)
    verifier = tokens.derived(service.secret, "oidc verifier", state)
    given = await there.exchange(settings, visit.query["code"], verifier, now)
    nonce = tokens.derived(service.secret, "oidc nonce", state)
    expected = id_tokens.Expected(settings.oidc_issuer, settings.oidc_client_id, nonce, now)
    claims = await there.claims(settings, given.id_token, expected)
    wanted = {"email", "email_verified", *([settings.oidc_groups_claim] if settings.oidc_roles else [])}
    if not wanted <= claims.keys():
        more = await there.more_claims(settings, given.access_token, claims["sub"], now)
        claims = {**{name: more[name] for name in (*wanted, "name") if name in more}, **claims}

    def enter(call: Call) -> Any:
        me = sessions.enter(call, admit(call, claims))
        audit.record(call, operations.sign_in, accounts.SignIn(email=me.email), me)
        return call.effects.session

    session = await service.write(enter, caller=visit.caller)
    return Redirect(safe_path(path), session=session, ticket="")


def _check_answer(settings: Settings, described: provider.Description, visit: Visit) -> None:
    """The answer that the browser carries: of this provider (RFC 9207), and a code."""
    issuer = visit.query.get("iss")
    if issuer != settings.oidc_issuer and (
        issuer is not None or described.authorization_response_iss_parameter_supported
    ):
        raise id_tokens.Refused(f"the browser comes from another issuer: {issuer!r}")
    if "error" in visit.query or not visit.query.get("code"):
        raise NotAdmitted("refused", f"the identity provider says {visit.query.get('error', '')[:100]!r}")


def _to_sign_in(problem: Problem) -> Redirect:
    return Redirect(f"/sign-in?{urlencode({'problem': problem})}", ticket="")


def safe_path(path: str) -> str:
    """A path of this very server, whatever was asked for; "/" instead of one that might lead elsewhere (S12)."""
    plain = unquote(path)
    if not (path.isascii() and path.isprintable() and plain.isprintable()) or len(path) > _LONGEST_PATH:
        return "/"
    if not path.startswith("/") or plain.startswith("//") or set('\\ <>"') & set(plain):
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path in ("/sign-in", "/start", LEAVE, CALLBACK):
        return "/"
    return parts.geturl()


# --- who may come in -------------------------------------------------------------------------------------------------


def admit(call: Call, claims: dict[str, Any]) -> UUID:
    """The user whom the claims are of; made where the settings let somebody new in. Raises NotAdmitted."""
    settings = call.service.settings
    email = _verified_email(claims)
    domains = {domain.strip().lower() for domain in settings.oidc_domains.split(",")} - {""}
    if domains and (email is None or email.rpartition("@")[2] not in domains):
        raise NotAdmitted(
            "email" if email is None else "stranger", f"{claims['sub']!r} is not of oidc_domains"
        )
    role = _role(settings, claims)
    known = {"issuer": settings.oidc_issuer, "subject": claims["sub"]}
    user_id = call.connection.execute(_identity, known).scalar_one_or_none()
    if user_id is None:
        user_id = _link(call, claims, email, role)
    row = people.found(call, user_id)
    if not row.active:
        raise NotAdmitted("deactivated", f"{row.name!r} is deactivated")
    if role is not None and role != row.role:
        _give(call, row, role)
    return user_id


def _link(call: Call, claims: dict[str, Any], email: str | None, role: accounts.UserRole | None) -> UUID:
    """Somebody who comes for the first time: an account with their verified address, or a new one."""
    if email is None:
        raise NotAdmitted("email", f"the identity provider has verified no address of {claims['sub']!r}")
    issuer = call.service.settings.oidc_issuer
    user_id = people.by_email(call, email)
    if user_id is None:
        granted = role or _admitted_as(call, email)
        if granted is None or not _may_be_new(call, email):
            raise NotAdmitted("stranger", f"{email} is neither known nor invited (oidc_new_people)")
        user_id = invitations.admit(call, email, _name(claims, email), granted)
    elif call.connection.execute(_others, {"issuer": issuer, "owner": user_id}).first() is not None:
        raise NotAdmitted("taken", f"{email} is the address of somebody with another subject there")
    values = {"issuer": issuer, "subject": claims["sub"], "user_id": user_id, "created_at": call.now}
    call.connection.execute(_identities.insert(), values)
    return user_id


def _may_be_new(call: Call, email: str) -> bool:
    new_people = call.service.settings.oidc_new_people
    by_rule = new_people == "rule" and sign_up_rule.role_of(call, email) is not None
    return new_people == "all" or by_rule or invitations.invited_as(call, email) is not None


def _admitted_as(call: Call, email: str) -> str | None:
    """The role of somebody new whose groups say nothing."""
    return (
        invitations.invited_as(call, email)
        or sign_up_rule.role_of(call, email)
        or sign_up_rule.read(call).role
    )


def _role(settings: Settings, claims: dict[str, Any]) -> accounts.UserRole | None:
    """The highest role that the groups give; None where roles are given here. Raises NotAdmitted for who is in no group."""
    if not settings.oidc_roles:
        return None
    named = claims.get(settings.oidc_groups_claim)
    groups = cast("list[Any]", named) if isinstance(named, list) else [named]
    given = {settings.oidc_roles.get(group) for group in groups if isinstance(group, str)}
    for role in _RANKS:
        if role in given:
            return role
    raise NotAdmitted("stranger", f"{claims['sub']!r} is in none of the groups of oidc_roles")


def _give(call: Call, row: sa.Row[Any], role: accounts.UserRole) -> None:
    """The role that the groups say. The last administrator stays one, so that nobody is locked out."""
    try:
        people.update_user(call, accounts.UpdateUser(user_id=row.id, role=role))
    except errors.Conflict:
        log.warning("%s is the last administrator and stays one, though their groups say %s", row.name, role)


def _verified_email(claims: dict[str, Any]) -> str | None:
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or not (verified is True or verified == "true"):
        return None
    try:
        return people.read_email(email)
    except errors.Invalid:
        return None


def _name(claims: dict[str, Any], email: str) -> str:
    name = claims.get("name")
    shown = (
        "".join(char for char in name if char.isprintable()).strip()[:100] if isinstance(name, str) else ""
    )
    return shown or email.partition("@")[0]


def button(settings: Settings) -> accounts.Button | None:
    """What the sign-in page shows. The address is a whole one: the browser must come back to where it left."""
    return (
        accounts.Button(label=settings.oidc_label, url=settings.url + LEAVE) if settings.oidc_issuer else None
    )
