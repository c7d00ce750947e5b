"""The identity provider: what it says of itself, its keys, and the exchange of a code for tokens."""

import base64
import dataclasses
import hashlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from headrace import errors
from headrace.server import id_tokens
from headrace.settings import Settings
from headrace.web import outbound, targets

#: How long it is believed what was read. Keys that are not known are looked for at once.
FRESH = timedelta(hours=1)
DISCOVERY = "/.well-known/openid-configuration"


class Unusable(errors.Unavailable):
    """The identity provider cannot be used just now."""


class Description(msgspec.Struct, frozen=True):
    """What is used of the discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class Tokens(msgspec.Struct, frozen=True):
    """What a code was exchanged for."""

    id_token: str
    access_token: str = ""


@dataclasses.dataclass(frozen=True)
class _Read:
    """Something that was read, and when."""

    value: Any
    at: datetime


class Provider:
    """The identity provider as one server knows it: `service.part(Provider)`.

    `outbound` is a way out of its own: the issuer may be inside the private network, for an administrator has named it,
    and nothing else is reached for that.
    """

    def __init__(self) -> None:
        self.outbound = outbound.Outbound()
        self._read: dict[str, _Read] = {}

    def allow(self, settings: Settings) -> None:
        """Lets the issuer be reached, and what `private_receivers` names."""
        host = targets.read_url(settings.oidc_issuer).host
        self.outbound.allow(f"{settings.private_receivers},{host}")

    async def description(self, settings: Settings, now: datetime) -> Description:
        """What it says of itself. Raises Unusable."""
        issuer = settings.oidc_issuer
        found = await self._get(issuer.rstrip("/") + DISCOVERY, Description, now)
        if found.issuer != issuer:
            raise Unusable(f"oidc_issuer is {issuer!r}, but there it calls itself {found.issuer!r}")
        used = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri]
        for url in [*used, found.userinfo_endpoint] if found.userinfo_endpoint else used:
            try:
                scheme = targets.read_url(url).scheme
            except errors.Invalid:
                raise Unusable("the identity provider names an address that cannot be one") from None
            if urlsplit(issuer).scheme == "https" and scheme != "https":
                raise Unusable("the identity provider has https, and names an address without https")
        return found

    async def claims(self, settings: Settings, token: str, expected: id_tokens.Expected) -> dict[str, Any]:
        """The claims of an ID token. Its keys are read again where the key is a new one. Raises id_tokens.Refused."""
        described = await self.description(settings, expected.now)
        keys = await self._get(described.jwks_uri, _Keys, expected.now)
        try:
            return id_tokens.read(token, keys.keys, expected)
        except id_tokens.UnknownKey:
            self._read.pop(described.jwks_uri, None)
            keys = await self._get(described.jwks_uri, _Keys, expected.now)
            return id_tokens.read(token, keys.keys, expected)

    async def exchange(self, settings: Settings, code: str, verifier: str, now: datetime) -> Tokens:
        """Exchanges a code. Raises id_tokens.Refused, Unusable."""
        described = await self.description(settings, now)
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri(settings),
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        methods = described.token_endpoint_auth_methods_supported
        if not settings.oidc_client_secret:
            fields["client_id"] = settings.oidc_client_id
        elif "client_secret_basic" in methods:
            pair = f"{quote_plus(settings.oidc_client_id)}:{quote_plus(settings.oidc_client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif "client_secret_post" in methods:
            fields |= {"client_id": settings.oidc_client_id, "client_secret": settings.oidc_client_secret}
        else:
            raise Unusable(f"the identity provider wants to know this client by {', '.join(methods)}")
        reply = await self._send("POST", described.token_endpoint, headers, urlencode(fields).encode())
        if 400 <= reply.status < 500:
            raise id_tokens.Refused(f"the identity provider does not take the code ({reply.status})")
        return _decoded(reply, described.token_endpoint, Tokens)

    async def more_claims(
        self, settings: Settings, access_token: str, subject: str, now: datetime
    ) -> dict[str, Any]:
        """What it tells of somebody beside the ID token. Raises id_tokens.Refused where it tells of somebody else."""
        described = await self.description(settings, now)
        if not (described.userinfo_endpoint and access_token.isascii() and access_token.isprintable()):
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        reply = await self._send("GET", described.userinfo_endpoint, headers)
        claims = _decoded(reply, described.userinfo_endpoint, dict[str, Any])
        if claims.get("sub") != subject:
            raise id_tokens.Refused("the identity provider's userinfo is of somebody else")
        return claims

    async def _get(self, url: str, kind: Any, now: datetime) -> Any:
        known = self._read.get(url)
        if known is None or not known.at <= now < known.at + FRESH:
            reply = await self._send("GET", url, {"Accept": "application/json"})
            known = self._read[url] = _Read(_decoded(reply, url, kind), now)
        return known.value

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> targets.Reply:
        try:
            return await self.outbound.send(method, url, headers=headers, body=body)
        except (errors.Undelivered, errors.Invalid) as error:
            raise Unusable(f"the identity provider cannot be asked: {error}") from None


def authorize_url(
    settings: Settings, described: Description, *, state: str, nonce: str, verifier: str
) -> str:
    """Where the browser goes to sign in."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    fields = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": redirect_uri(settings),
        "scope": settings.oidc_scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    parts = urlsplit(described.authorization_endpoint)
    query = "&".join(filter(None, (parts.query, urlencode(fields))))
    return parts._replace(query=query, fragment="").geturl()


def redirect_uri(settings: Settings) -> str:
    """What is registered at the identity provider."""
    return f"{settings.url}/oidc/callback"


def _decoded(reply: targets.Reply, url: str, kind: Any) -> Any:
    host = targets.read_url(url).host
    if reply.status != 200 or not reply.whole:
        raise Unusable(f"{host} answers with status {reply.status}" + ("" if reply.whole else ", too long"))
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except msgspec.DecodeError as error:
        raise Unusable(f"{host} answers what is not understood: {error}") from None
