"""The sign-up rule: who may come in without an invitation, and as what. Where nobody has set it, nobody may."""

import re
from typing import Any

import sqlalchemy as sa

from headrace import errors
from headrace.server import mail, tables
from headrace.server.service import Service, handles
from headrace.web.handlers import Call
from headrace.wire import accounts, operations

_rule = tables.sign_up_rule
_read = sa.select(_rule)
_lock = _read.with_for_update()
_write = sa.update(_rule)

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_MOST_DOMAINS = 100


@handles(operations.read_sign_up_rule)
def read_sign_up_rule(call: Call[Service], request: accounts.ReadSignUpRule) -> accounts.SignUpRule:
    return read(call)


@handles(operations.set_sign_up_rule)
def set_sign_up_rule(call: Call[Service], request: accounts.SetSignUpRule) -> accounts.SignUpRule:
    stored = call.connection.execute(_lock).one_or_none()
    before = read(call)
    domains = before.domains if request.domains is None else _domains(request.domains)
    values: dict[str, Any] = {
        "rule": request.rule or before.rule,
        "domains": domains,
        "role": request.role or before.role,
    }
    if values["rule"] == "domains" and not domains:
        sentence = "name the domains whose addresses may sign up"
        raise errors.Invalid(sentence, fields={"domains": sentence})
    call.before = before
    if stored is None:
        call.connection.execute(_rule.insert(), {"id": 1, **values})
    else:
        call.connection.execute(_write, values)
    return read(call)


def read(call: Call[Any]) -> accounts.SignUpRule:
    """The rule in force."""
    row = call.connection.execute(_read).one_or_none()
    sends = mail.is_set(call.service.settings)
    if row is None:
        return accounts.SignUpRule(rule="invitation", domains=[], role="viewer", mail=sends)
    return accounts.SignUpRule(rule=row.rule, domains=row.domains, role=row.role, mail=sends)


def role_of(call: Call[Any], email: str) -> str | None:
    """The role by which this address may come in; None where it may not."""
    rule = read(call)
    allowed = rule.rule == "open" or (rule.rule == "domains" and email.rpartition("@")[2] in rule.domains)
    return rule.role if allowed else None


def _domains(given: list[str]) -> list[str]:
    domains = sorted({domain.strip().lower().removeprefix("@") for domain in given})
    wrong = [domain for domain in domains if not _DOMAIN.fullmatch(domain)]
    if wrong or len(domains) > _MOST_DOMAINS:
        sentence = f"{wrong[0]!r} is no domain" if wrong else f"at most {_MOST_DOMAINS} domains"
        raise errors.Invalid(f"domains are like example.com: {sentence}", fields={"domains": sentence})
    return domains
