"""P1, S38: signing in by an identity provider, with each thing that it says wrong once."""

import base64
import hashlib
import hmac
import json
import logging
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from oidc_visitor import Visitor, refused, set_up

from headrace.server import oidc, tables
from headrace.settings import Settings
from http_client import Http
from oidc_provider import CLIENT_ID, Provider, unsigned

# --- it works --------------------------------------------------------------------------------------------------------


def test_P1_somebody_signs_in_and_comes_back_as_the_same(visitor: Visitor, provider: Provider) -> None:
    assert visitor.sign_in() == "/flows?tab=runs"
    me = visitor.me
    assert (me["name"], me["email"], me["role"], me["has_password"]) == (
        "Ada Lovelace",
        "ada@example.com",
        "viewer",
        False,
    )
    assert set(visitor.cookies) == {"headrace_session"}
    # the subject is who it is, whatever the address is now
    provider.claims |= {"email": "lovelace@example.com", "name": "L"}
    second = Visitor(visitor.http)
    second.sign_in()
    assert second.me["id"] == me["id"]
    assert (
        provider.requests.count("/keys") == provider.requests.count("/.well-known/openid-configuration") == 1
    )
    entry = max(visitor.http.server.rows(tables.audit), key=lambda row: row.id)
    assert (entry.operation, entry.actor_name) == ("sign_in", "Ada Lovelace")


def test_what_the_browser_keeps_while_it_is_away_is_for_the_server_alone(visitor: Visitor) -> None:
    answer = visitor.get("/oidc/sign-in")
    (cookie,) = answer.headers.getlist("set-cookie")
    assert cookie.split("; ")[1:] == ["Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax"]
    assert answer.headers["cache-control"] == "no-store"
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{visitor.http.url}/oidc/callback"]
    assert asked["scope"] == ["openid email profile"]
    (row,) = visitor.http.server.rows(tables.departures)
    kept = str(tuple(row))
    assert not any(
        value in kept for value in (visitor.cookies["headrace_ticket"], asked["state"][0], asked["nonce"][0])
    )


def test_signing_in_ends_the_session_that_the_browser_had(visitor: Visitor) -> None:
    visitor.sign_in()
    first = visitor.cookies["headrace_session"]
    visitor.sign_in()
    assert visitor.cookies["headrace_session"] != first
    old = Visitor(visitor.http, {"headrace_session": first})
    assert old.me["kind"] == "anonymous"


@pytest.mark.parametrize("method", ["client_secret_post", "none"])
def test_the_client_says_who_it_is_as_the_provider_wants(http: Http, provider: Provider, method: str) -> None:
    provider.document = {"token_endpoint_auth_methods_supported": [method]}
    if method == "none":
        provider.secret = ""
        set_up(http, provider, oidc_client_secret="")
    else:
        set_up(http, provider)
    assert Visitor(http).sign_in() == "/flows?tab=runs"


def test_what_the_id_token_does_not_say_is_asked_for(visitor: Visitor, provider: Provider) -> None:
    provider.userinfo = dict(provider.claims)
    provider.claims = {"sub": "subject-1"}
    visitor.sign_in()
    assert visitor.me["email"] == "ada@example.com"


def test_keys_are_read_again_when_they_change(visitor: Visitor, provider: Provider) -> None:
    visitor.sign_in()
    provider.use_ec()
    assert Visitor(visitor.http).sign_in() == "/flows?tab=runs"
    assert provider.requests.count("/keys") == 2


def test_the_sign_in_page_is_told_of_it(http: Http, provider: Provider) -> None:
    assert http.request("GET", "/api/ways_in").json["provider"] is None
    assert http.request("GET", "/oidc/callback").status in (200, 404)  # the UI's page, where it is built
    set_up(http, provider, oidc_label="Company login")
    ways = http.request("GET", "/api/ways_in?problem=stranger").json
    assert ways["provider"] == {"label": "Company login", "url": f"{http.url}/oidc/sign-in"}
    assert ways["problem"] == oidc.SENTENCES["stranger"]
    assert http.request("GET", "/api/ways_in?problem=%3Cscript%3E").json["problem"] == ""


def test_https_keeps_both_cookies_for_this_host_alone(http: Http) -> None:
    from headrace.web import guard

    secure = guard.Guard(Settings(home=http.server.service.settings.home, public_url="https://h.example"))
    _name, value = secure.set_cookie("t", 600, "ticket")
    assert value.startswith(b"__Host-headrace_ticket=t; Path=/; ")
    assert value.endswith(b"; Secure")


# --- each thing wrong once -------------------------------------------------------------------------------------------

WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "iss of another": {"iss": "https://evil.example"},
    "iss with a slash more": {"iss": "/"},
    "no iss": {"iss": None},
    "aud of another": {"aud": "another-client"},
    "aud of us and another": {"aud": [CLIENT_ID, "another-client"]},
    "aud empty": {"aud": []},
    "no aud": {"aud": None},
    "azp of another": {"azp": "another-client"},
    "nonce of another sign-in": {"nonce": "x" * 64},
    "no nonce": {"nonce": None},
    "expired": {"exp": -61},
    "no exp": {"exp": None},
    "exp is a text": {"exp": "later"},
    "exp is true": {"exp": True},
    "of the future": {"iat": 61},
    "of long ago": {"iat": -661},
    "no iat": {"iat": None},
    "not yet valid": {"nbf": 61},
    "no sub": {"sub": None},
    "sub empty": {"sub": ""},
    "sub is a number": {"sub": 1},
}


@pytest.mark.parametrize("wrong", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_S38_a_claim_that_is_wrong_lets_nobody_in(
    visitor: Visitor, provider: Provider, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def change(claims: dict[str, Any]) -> None:
        for name, value in wrong.items():
            relative = name in ("exp", "iat", "nbf") and type(value) is int
            claims[name] = provider.now() + value if relative else value
            if value == "/":
                claims[name] = f"{provider.issuer}/"

    provider.change = change
    refused(visitor, "invalid")
    assert any(record.levelno == logging.WARNING for record in caplog.records)


def by_the_public_key(provider: Provider) -> Any:
    """HS256 with what everybody knows as the secret (CVE-2015-9235 and its kin)."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        parts = ({**header, "alg": "HS256"}, claims)
        body = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
        )
        mac = hmac.new(provider.public_pem(), body.encode(), hashlib.sha256).digest()
        return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    return sign


@pytest.mark.parametrize(
    "how",
    [
        *(
            "none",
            "none without kid",
            "public key",
            "another key",
            "unknown kid",
            "other alg",
            "key for encryption",
        ),
        *("access token", "critical", "cut", "changed", "no token", "key in the header"),
    ],
)
def test_S38_a_signature_that_is_wrong_lets_nobody_in(  # noqa: C901 - a list of wrongs
    visitor: Visitor, provider: Provider, how: str
) -> None:
    rightly = provider.sign
    if how.startswith("none"):
        provider.sign = unsigned
        if how.endswith("without kid"):
            del provider.header["kid"]
    elif how == "public key":
        provider.sign = by_the_public_key(provider)
    elif how == "another key":
        provider.sign_by_another_key()
    elif how == "unknown kid":
        provider.header["kid"] = "rsa-2"
    elif how == "other alg":
        provider.header["alg"] = "PS256"  # the key says that it is for RS256
    elif how == "key for encryption":
        provider.published[0]["use"] = "enc"
    elif how == "access token":
        provider.header["typ"] = "at+jwt"
    elif how == "critical":
        provider.sign = lambda header, claims: _with_header(rightly(header, claims), crit=["b64"], b64=False)
    elif how == "cut":
        provider.sign = lambda header, claims: rightly(header, claims).rpartition(".")[0]
    elif how == "changed":
        provider.sign = lambda header, claims: _with_claims(
            rightly(header, claims), {**claims, "email": "administrator@example.com"}
        )
    elif how == "key in the header":
        provider.sign_by_another_key()
        provider.header["jwk"] = provider.key.as_dict(private=False)
    else:
        provider.sign = lambda header, claims: ""
    refused(visitor, "invalid")


def _with_header(token: str, **more: Any) -> str:
    header, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(header + "=="))
    return ".".join((_encoded({**said, **more}), claims, signature))


def _with_claims(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return ".".join((header, _encoded(claims), signature))


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_S38_a_code_is_good_once_and_so_is_a_state(visitor: Visitor) -> None:
    back = visitor.leave()
    ticket = dict(visitor.cookies)
    assert visitor.get(back).headers["location"] == "/flows?tab=runs"
    again = Visitor(visitor.http, ticket)
    assert again.get(back).headers["location"] == "/sign-in?problem=over"
    # the code once more, with a state of its own
    other = Visitor(visitor.http)
    state = dict(parse_qsl(urlsplit(other.leave()).query))["state"]
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    stale = f"/oidc/callback?{urlencode({'code': code, 'state': state})}"
    assert other.get(stale).headers["location"] == "/sign-in?problem=invalid"
    assert again.me["kind"] == other.me["kind"] == "anonymous"


def test_S38_the_code_of_another_browser_is_refused_by_pkce_and_nonce(visitor: Visitor) -> None:
    """An attacker's code, put into the victim's own sign-in."""
    attacker = Visitor(visitor.http)
    code = dict(parse_qsl(urlsplit(attacker.leave()).query))["code"]
    state = dict(parse_qsl(urlsplit(visitor.leave()).query))["state"]
    mixed = f"/oidc/callback?{urlencode({'code': code, 'state': state})}"
    assert visitor.get(mixed).headers["location"] == "/sign-in?problem=invalid"
    assert visitor.me["kind"] == "anonymous"


def test_S38_a_state_is_of_one_browser(visitor: Visitor) -> None:
    """An attacker's link to come back by, opened by a victim: nobody is signed in as the attacker."""
    back = visitor.leave()
    without, with_own = Visitor(visitor.http), Visitor(visitor.http)
    with_own.leave()
    for victim in (without, with_own):
        assert victim.get(back).headers["location"] == "/sign-in?problem=over"
        assert victim.me["kind"] == "anonymous"
    assert visitor.get(back).headers["location"] == "/flows?tab=runs", (
        "and the browser itself still comes back"
    )


@pytest.mark.parametrize("state", ["", "x", None])
def test_S38_a_state_that_is_none_is_refused(visitor: Visitor, provider: Provider, state: str | None) -> None:
    provider.answer = {"state": state}
    refused(visitor, "over")
    assert "/token" not in provider.requests


def test_a_state_ends_by_itself(visitor: Visitor) -> None:
    back = visitor.leave()
    visitor.http.server.clock.advance(oidc.LASTS)
    assert visitor.get(back).headers["location"] == "/sign-in?problem=over"


def test_a_refusal_over_there_is_said_and_its_words_are_not_shown(
    visitor: Visitor, provider: Provider
) -> None:
    provider.answer = {"code": None, "error": "access_denied", "error_description": "<b>kanarie</b>"}
    refused(visitor, "refused")


@pytest.mark.parametrize("required", [False, True])
def test_S38_the_browser_must_come_from_the_same_issuer(
    visitor: Visitor, provider: Provider, required: bool
) -> None:
    """RFC 9207: an answer of another provider is mixed in."""
    provider.document = {"authorization_response_iss_parameter_supported": required}
    provider.answer = {} if required else {"iss": "https://evil.example"}
    refused(visitor, "invalid")
    provider.answer = {"iss": provider.issuer}
    assert visitor.sign_in() == "/flows?tab=runs"


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": 5},
        {"token_endpoint": ""},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_S38_a_discovery_that_is_not_the_issuers_is_not_used(
    visitor: Visitor, provider: Provider, document: dict[str, Any]
) -> None:
    provider.document = document
    assert visitor.get("/oidc/sign-in").headers["location"] == "/sign-in?problem=unusable"


def test_an_https_issuer_names_nothing_without_https(http: Http, provider: Provider) -> None:
    from headrace.server import provider as providers

    described = {**provider.discovery(), "issuer": "https://id.example"}
    there = providers.Provider()
    settings = Settings(home=http.server.service.settings.home, oidc_issuer="https://id.example")

    async def get(*_: Any) -> Any:
        return msgspec.convert(described, providers.Description)

    there._get = get
    with pytest.raises(providers.Unusable, match="without https"):
        http.server.run(there.description(settings, http.server.clock.now))


def test_a_wrong_client_secret_lets_nobody_in(visitor: Visitor, provider: Provider) -> None:
    provider.secret = "another"
    refused(visitor, "invalid")


def test_the_userinfo_of_somebody_else_is_not_taken(visitor: Visitor, provider: Provider) -> None:
    provider.userinfo = {**provider.claims, "sub": "subject-2", "email": "administrator@example.com"}
    provider.claims = {"sub": "subject-1"}
    refused(visitor, "invalid")


def test_a_provider_that_is_away_is_said(visitor: Visitor, provider: Provider) -> None:
    back = visitor.leave()
    provider.close()
    provider.close = lambda: None  # type: ignore[method-assign]
    assert visitor.get(back).headers["location"] == "/sign-in?problem=unusable"
