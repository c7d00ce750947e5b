"""P1, S38: signing in by an identity provider, who may come in by it, and where it leads."""

import dataclasses
import logging
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from oidc_visitor import Visitor, refused, set_up, users

from headrace import errors
from headrace.server import id_tokens, oidc, tables, tokens
from headrace.settings import Settings
from headrace.wire import accounts, operations
from http_client import Http
from oidc_provider import CLIENT_SECRET, Provider

# --- who may come in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [False, None, "false", 1, "yes"])
def test_S38_an_address_that_is_not_verified_is_nobodys(
    visitor: Visitor, provider: Provider, verified: Any
) -> None:
    """Neither is an account linked by it, nor one made."""
    provider.claims |= {"email": "administrator@example.com", "email_verified": verified}
    refused(visitor, "email")
    assert visitor.http.server.rows(tables.identities) == []


def test_an_account_with_the_verified_address_is_linked_once(visitor: Visitor, provider: Provider) -> None:
    provider.claims["email"] = "Member@example.com"
    visitor.sign_in()
    assert visitor.me["id"] == str(visitor.http.server.as_.member.id)
    assert visitor.me["role"] == "member"
    provider.claims["sub"] = "subject-2"  # the address was given to somebody else over there
    second = Visitor(visitor.http)
    assert second.sign_in() == "/sign-in?problem=taken"
    assert second.me["kind"] == "anonymous"


def test_who_is_deactivated_stays_out(visitor: Visitor, provider: Provider) -> None:
    visitor.sign_in()
    user_id = users(visitor.http)["ada@example.com"].id
    visitor.http.server.call(operations.update_user, accounts.UpdateUser(user_id=user_id, active=False))
    assert visitor.me["kind"] == "anonymous"
    assert Visitor(visitor.http).sign_in() == "/sign-in?problem=deactivated"


def test_by_invitation_only_who_is_invited_comes_in(http: Http, provider: Provider) -> None:
    set_up(http, provider, oidc_new_people="invited")
    refused(Visitor(http), "stranger")
    made = accounts.CreateInvitation(email="ada@example.com", role="member")
    http.server.call(operations.create_invitation, made)
    visitor = Visitor(http)
    visitor.sign_in()
    assert visitor.me["role"] == "member"
    assert http.server.rows(tables.invitations) == []


def test_by_the_sign_up_rule_who_it_lets_in_comes_in(http: Http, provider: Provider) -> None:
    set_up(http, provider, oidc_new_people="rule")
    http.server.call(
        operations.set_sign_up_rule, accounts.SetSignUpRule(rule="domains", domains=["example.org"])
    )
    refused(Visitor(http), "stranger")
    rule = accounts.SetSignUpRule(domains=["example.com"], role="member")
    http.server.call(operations.set_sign_up_rule, rule)
    visitor = Visitor(http)
    visitor.sign_in()
    assert visitor.me["role"] == "member"


@pytest.mark.parametrize(
    ("email", "problem"),
    [("ada@evil.example", "stranger"), ("ada@sub.example.com", "stranger"), (None, "email")],
)
def test_S38_only_allowed_domains_come_in_also_by_a_link_of_before(
    http: Http, provider: Provider, email: str | None, problem: str
) -> None:
    set_up(http, provider, oidc_domains="example.com, example.org")
    visitor = Visitor(http)
    assert visitor.sign_in() == "/flows?tab=runs"
    provider.claims["email"] = email
    assert Visitor(http).sign_in() == f"/sign-in?problem={problem}"


ROLES = {"ops": "administrator", "engineers": "member", "CN=All,DC=example": "viewer"}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["engineers", "others"], "member"),
        (["CN=All,DC=example", "engineers"], "member"),
        ("ops", "administrator"),
        (["CN=All,DC=example"], "viewer"),
    ],
)
def test_groups_give_the_role(http: Http, provider: Provider, groups: Any, role: str) -> None:
    set_up(http, provider, oidc_roles=ROLES)
    provider.claims["groups"] = groups
    visitor = Visitor(http)
    visitor.sign_in()
    assert visitor.me["role"] == role


@pytest.mark.parametrize("groups", [None, [], ["others"], "engineers,ops", {"ops": 1}, [["ops"]], 5])
def test_S38_who_is_in_no_group_stays_out_also_later(http: Http, provider: Provider, groups: Any) -> None:
    set_up(http, provider, oidc_roles=ROLES)
    provider.claims["groups"] = groups
    refused(Visitor(http), "stranger")
    provider.claims["groups"] = ["engineers"]
    Visitor(http).sign_in()
    provider.claims["groups"] = groups
    assert Visitor(http).sign_in() == "/sign-in?problem=stranger"


def test_the_role_follows_the_groups_and_the_last_administrator_stays_one(
    http: Http, provider: Provider
) -> None:
    set_up(http, provider, oidc_roles=ROLES)
    provider.claims["groups"] = ["ops"]
    Visitor(http).sign_in()
    other = http.server.as_.administrator.id
    http.server.call(operations.update_user, accounts.UpdateUser(user_id=other, role="viewer"))
    provider.claims["groups"] = ["engineers"]
    visitor = Visitor(http)
    visitor.sign_in()
    assert visitor.me["role"] == "administrator"
    http.server.call(operations.update_user, accounts.UpdateUser(user_id=other, role="administrator"))
    Visitor(http).sign_in()
    assert users(http)["ada@example.com"].role == "member"


# --- and the rest ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "\\evil.example", "/\\evil.example", "/%09/evil.example", "/\t/evil.example"),
        *(
            "https:evil.example",
            "https://evil.example",
            "@evil.example",
            "evil.example",
            "",
            "/%2fevil.example",
        ),
        *(
            "/%5cevil.example",
            "/x\r\nSet-Cookie: a=b",
            "/%0d%0aSet-Cookie:a=b",
            "javascript:alert(1)",
            "/a b",
        ),
        *("///evil.example", "/sign-in?next=/x", "/start?token=x", "/oidc/sign-in", "/ü", "/" + "a" * 3000),
    ],
)
def test_S12_next_never_leads_elsewhere(path: str) -> None:
    assert oidc.safe_path(path) == "/"


def test_S12_after_signing_in_nobody_is_led_elsewhere(visitor: Visitor) -> None:
    assert visitor.sign_in("//evil.example") == "/"


@pytest.mark.parametrize(
    "path", ["/", "/flows", "/flow-runs/1?tab=logs#l5", "/a/../b", "/?x=https://y.example"]
)
def test_next_leads_to_pages_of_this_server(path: str) -> None:
    assert oidc.safe_path(path) == path


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE"])
def test_only_a_get_leads_there_and_back(visitor: Visitor, method: str) -> None:
    for path in (oidc.LEAVE, oidc.CALLBACK):
        assert visitor.http.request(method, path).status == 405


def test_a_query_with_a_field_twice_is_refused(visitor: Visitor) -> None:
    back = visitor.leave()
    assert visitor.get(f"{back}&code=another").status == 422
    assert visitor.get(f"{oidc.CALLBACK}?%ff=%ff").status == 422


def test_too_many_departures_from_one_network_are_refused(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.web import handlers, service

    monkeypatch.setattr(oidc, "BY_ADDRESS", 1)
    caller = dataclasses.replace(handlers.ANONYMOUS, address="192.0.2.7")
    visit = service.Visit({}, caller, "")
    there = [
        visitor.http.server.run(oidc.leave(visitor.http.server.service, visit)).location for _ in range(2)
    ]
    assert there[0].startswith("http://127.0.0.1")
    assert there[1] == "/sign-in?problem=too_many"


def test_nothing_secret_is_logged(
    visitor: Visitor, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    back = visitor.leave()
    fields = dict(parse_qsl(urlsplit(back).query))
    provider.change = lambda claims: claims.update(iss="https://evil.example")
    ticket = visitor.cookies["headrace_ticket"]
    visitor.get(back)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("headrace"))
    assert "another issuer" in ours
    derived = tokens.derived(visitor.http.server.service.secret, "oidc verifier", fields["state"])
    for secret in (fields["code"], fields["state"], ticket, derived, CLIENT_SECRET):
        assert secret not in ours


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"oidc_issuer": "id.example.com"}, "oidc_issuer"),
        ({"oidc_issuer": "https://id.example.com/?x=1"}, "oidc_issuer"),
        ({"oidc_client_id": ""}, "oidc_client_id"),
        ({"oidc_scopes": "openid profile"}, "oidc_scopes"),
        ({"oidc_new_people": "everybody"}, "oidc_new_people"),
        ({"oidc_roles": {"ops": "root"}}, "oidc_roles"),
    ],
)
def test_a_wrong_setting_is_said_at_the_start(tmp_path: Any, wrong: dict[str, Any], words: str) -> None:
    given = {"oidc_issuer": "https://id.example.com", "oidc_client_id": "c", **wrong}
    with pytest.raises(errors.SettingsError, match=words):
        oidc.check(Settings(home=tmp_path, **given))


def test_a_short_rsa_key_is_refused() -> None:
    import warnings

    from joserfc import jwk, jws

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = jwk.RSAKey.generate_key(1024)
        token = jws.serialize_compact({"alg": "RS256", "kid": "k"}, "{}", key, algorithms=["RS256"])
    published = {**key.as_dict(private=False), "kid": "k"}
    with pytest.raises(id_tokens.Refused, match="too short"):
        id_tokens._verified(token, [published])
