"""ID tokens of an identity provider: whose signature it is, and each claim, checked exactly (OpenID Connect Core, 3.1.3.7)."""

import binascii
import dataclasses
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from headrace import errors

#: Signatures by a key of which we hold the public half only. `none` and those with a shared secret are not among them.
ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
#: Seconds by which clocks may differ, and the age at which a token is not of this sign-in.
LEEWAY = 60
OLDEST = 600
_SMALLEST_RSA = 2048
_PUBLIC = frozenset({"kty", "n", "e", "crv", "x", "y"})
_LONGEST_SUBJECT = 255


class Refused(errors.Unauthenticated):
    """The identity provider's answer is not accepted."""


class UnknownKey(Refused):
    """The token is signed with a key that is not known."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime


def read(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> dict[str, Any]:
    """The claims of a token that is what it must be. Raises Refused, for the log, and UnknownKey."""
    claims = _claims(_verified(token, keys))
    _check_who(claims, expected)
    _check_when(claims, expected.now.timestamp())
    return claims


def _verified(token: str, keys: Sequence[Mapping[str, Any]]) -> bytes:
    """The payload, once its signature is found right."""
    from joserfc import errors as jose_errors  # with cryptography 80 ms, where people sign in by a provider
    from joserfc import jwk, jws

    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise Refused(f"the ID token is signed with {algorithm!r}, which is not accepted")
        if str(header.get("typ", "JWT")).lower() != "jwt":
            raise Refused(f"this is no ID token but {header['typ']!r}")
        key = jwk.import_key(cast("jwk.DictKey", _key(keys, algorithm, header.get("kid"))))
        payload = jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
    except (jose_errors.JoseError, ValueError, binascii.Error) as error:
        raise Refused(f"the ID token cannot be verified: {type(error).__name__}") from None
    return payload or b""


def _key(keys: Sequence[Mapping[str, Any]], algorithm: str, kid: Any) -> dict[str, Any]:
    """The one public key that may have signed it."""
    fitting = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if len(fitting) != 1:
        raise UnknownKey(f"the ID token's key {kid!r} ({algorithm}) is not one of the identity provider's")
    public = {name: value for name, value in fitting[0].items() if name in _PUBLIC}
    if public["kty"] == "RSA" and len(str(public.get("n"))) * 6 < _SMALLEST_RSA:
        raise Refused("the identity provider's RSA key is too short")
    return public


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.DecodeError:
        raise Refused("the ID token's claims are no JSON object") from None


def _check_who(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused(f"the ID token is of another issuer: {claims.get('iss')!r}")
    audience = claims.get("aud")
    if audience not in (expected.client_id, [expected.client_id]):
        # others, for whom it is as well, could show it here; we trust none
        raise Refused(f"the ID token is not for this client alone: {audience!r}")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise Refused(f"the ID token was given to another client: {claims['azp']!r}")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Refused("the ID token's nonce is not this sign-in's")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise Refused("the ID token names nobody")


def _check_when(claims: dict[str, Any], now: float) -> None:
    if _moment(claims, "exp") <= now - LEEWAY:
        raise Refused("the ID token has expired")
    issued = _moment(claims, "iat")
    if issued > now + LEEWAY:
        raise Refused("the ID token is of the future: are both clocks right?")
    if issued < now - OLDEST - LEEWAY:
        raise Refused("the ID token is older than this sign-in")
    if "nbf" in claims and _moment(claims, "nbf") > now + LEEWAY:
        raise Refused("the ID token is not valid yet")


def _moment(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"the ID token has no {name}")
    return value
