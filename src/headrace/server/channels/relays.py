"""Mail servers as URLs name them."""

import dataclasses
from urllib.parse import unquote, urlsplit

from headrace import errors


@dataclasses.dataclass(frozen=True)
class Relay:
    """A mail server. `own`: the settings name it; then its address need not be public."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    own: bool


def read_relay(url: str, *, own: bool) -> Relay:
    """Takes smtp://user:password@host:port apart. Raises errors.Invalid, or SettingsError where the settings hold it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or not url.isprintable():
        sentence = (
            "smtp_url is smtp://USER:PASSWORD@HOST:PORT, or smtps://… where the connection begins with TLS"
        )
        raise (
            errors.SettingsError(sentence) if own else errors.Invalid(sentence, fields={"smtp_url": sentence})
        )
    tls = parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Relay(host, port or (465 if tls else 587), tls, user, password, own)
