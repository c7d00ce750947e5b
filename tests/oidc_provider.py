"""An identity provider of the tests' own, on a real socket with real keys. What it says can be made wrong, one thing at a time."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jws

CLIENT_ID, CLIENT_SECRET = "headrace-client", "s3cret of/the client"

#: Made once: an RSA key takes a while.
_RSA = jwk.RSAKey.generate_key(2048)
_EC = jwk.ECKey.generate_key("P-256")
_OTHER = jwk.RSAKey.generate_key(2048)


class Provider:
    """Signs in whoever comes, as the person of `claims`, at once.

    Attributes
    ----------
    claims: what is said of the person, in the ID token; `None` values are left out.
    userinfo: what is said there; None: there is no such endpoint.
    change: changes the ID token's claims right before they are signed.
    sign: makes the token of header and claims.
    key: what is signed with; `published` are the keys that it shows.
    document: changes to the discovery document.
    answer: changes to what the browser carries back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.claims: dict[str, Any] = {
            "sub": "subject-1",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
        }
        self.userinfo: dict[str, Any] | None = None
        self.change: Callable[[dict[str, Any]], None] = lambda claims: None
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self._sign
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "rsa-1"}
        self.key: Any = _RSA
        self.published: list[dict[str, Any]] = [public(_RSA, kid="rsa-1", alg="RS256", use="sig")]
        self.document: dict[str, Any] = {}
        self.answer: dict[str, str | None] = {}
        self.secret = CLIENT_SECRET
        self.requests: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def use_ec(self) -> None:
        """From now on it signs with another key of another kind, and shows that one only."""
        self.key, self.header = _EC, {"alg": "ES256", "kid": "ec-1"}
        self.published = [public(_EC, kid="ec-1", use="sig")]

    def sign_by_another_key(self) -> None:
        self.key = _OTHER

    def public_pem(self) -> bytes:
        return _RSA.as_pem(private=False)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- what it answers ---

    def discovery(self) -> dict[str, Any]:
        known = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }
        if self.userinfo is not None:
            known["userinfo_endpoint"] = f"{self.issuer}/userinfo"
        return {**known, **self.document}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["tenant"] == "1"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        fields: dict[str, str | None] = {"code": code, "state": query["state"], "session_state": "x"}
        fields |= self.answer
        kept = {name: value for name, value in fields.items() if value is not None}
        return f"{query['redirect_uri']}?{urlencode(kept)}"

    def token(self, fields: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if self._client(fields, authorization) != (CLIENT_ID, self.secret):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(fields.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest())
        if (
            asked is None
            or asked["redirect_uri"] != fields["redirect_uri"]
            or asked["code_challenge"] != challenge.rstrip(b"=").decode()
            or not 43 <= len(fields["code_verifier"]) <= 128
        ):
            return 400, {"error": "invalid_grant"}
        now = int(self.now())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.claims,
        }
        self.change(claims)
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.sign(dict(self.header), claims)
        return 200, {"id_token": token, "access_token": "opaque", "token_type": "Bearer"}

    def _client(self, fields: dict[str, str], authorization: str) -> tuple[str, str]:
        kind, _, value = authorization.partition(" ")
        if kind != "Basic":
            return fields.get("client_id", ""), fields.get("client_secret", "")
        name, _, secret = base64.b64decode(value).decode().partition(":")
        (name, secret) = (parse_qs(f"x={each}")["x"][0] for each in (name, secret))
        return name, secret

    def _sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jws.serialize_compact(header, json.dumps(claims), self.key, algorithms=[header["alg"]])


def public(key: Any, **more: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token that says `alg: none`."""
    parts = ({**header, "alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return f"{encoded[0]}.{encoded[1]}."


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.requests.append(parts.path)
            if parts.path == "/.well-known/openid-configuration":
                self._say(200, provider.discovery())
            elif parts.path == "/keys":
                self._say(200, {"keys": provider.published})
            elif parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(parse_qsl(parts.query))))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif parts.path == "/userinfo" and self.headers["Authorization"] == "Bearer opaque":
                self._say(200, provider.userinfo)
            else:
                self._say(404, {})

        def do_POST(self) -> None:
            provider.requests.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = dict(parse_qsl(body, keep_blank_values=True))
            self._say(*provider.token(fields, self.headers.get("Authorization", "")))

        def _say(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    return Handler
