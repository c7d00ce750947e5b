"""Who may ask at all: host names, origins and CSRF tokens, and the headers that every answer carries."""

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from headrace import errors, settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'self'"
)


class Misdirected(errors.HeadraceError):
    """This server does not answer for this host name."""

    code, status = "misdirected", 421


class Guard:
    """The rules of one server, made from its settings.

    Host names: those of the loopback, the one of `public_url`, and the bound one. A server that was told to listen
    beyond the loopback also answers to addresses and to this machine's names, which no foreign DNS name can rebind to,
    and to any name when an API key is shown, for a browser that was lured here has none.
    """

    def __init__(self, given: settings.Settings) -> None:
        public = urlsplit(given.url)
        self.secure = public.scheme == "https"
        self._origin = f"{public.scheme}://{public.netloc}"
        self._beyond = given.host not in LOOPBACK
        self._names = set(LOOPBACK) | {public.hostname or "", given.host}
        if self._beyond:
            self._names |= {socket.gethostname().lower()}
        self.headers = _security_headers(secure=self.secure)

    def check_host(self, hosts: list[str], *, bearer: bool) -> str:
        """The host as it was sent. Raises Misdirected unless it is one name that this server answers to."""
        host = hosts[0] if len(hosts) == 1 else ""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if not name or "@" in host or "/" in host:
            raise Misdirected("the request names no host, or no single one")
        if name in self._names or (self._beyond and (bearer or _is_address(name))):
            return host
        raise Misdirected(
            f"this server does not answer for the host {name[:100]!r}: set public_url (HEADRACE_PUBLIC_URL) to the"
            " address by which people reach it"
        )

    def check_origin(self, host: str, headers: dict[bytes, bytes], *, required: bool) -> None:
        """Raises Forbidden for a request that a page of another site makes."""
        site = headers.get(b"sec-fetch-site")
        origin = headers.get(b"origin", b"").decode("latin-1")
        ours = origin in (self._origin, f"http://{host}", f"https://{host}")
        foreign = bool(origin) and not ours
        if foreign or (required and not origin) or site not in (None, b"same-origin", b"none"):
            raise errors.Forbidden("this request does not come from a page of this server")

    def check_cookie_request(
        self, host: str, headers: dict[bytes, bytes], *, token: str, has_body: bool
    ) -> None:
        """What a request that changes something must show when a cookie is all that says who it is. Raises Forbidden."""
        self.check_origin(host, headers, required=True)
        if not hmac.compare_digest(headers.get(b"x-csrf-token", b""), token.encode()):
            raise errors.Forbidden(
                "the X-CSRF-Token header is missing or not this session's: read /api/me again"
            )
        if has_body and not is_json(headers):
            raise errors.Forbidden("the content type must be application/json")

    def set_cookie(self, token: str, seconds: int, what: str = "session") -> tuple[bytes, bytes]:
        """The header by which a browser keeps the token of its session or of something else, or drops it when it is empty."""
        age = seconds if token else 0
        secure = "; Secure" if self.secure else ""
        return (
            b"set-cookie",
            f"{self._cookie(what)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}".encode(),
        )

    def read_cookie(self, headers: dict[bytes, bytes], what: str = "session") -> str | None:
        """The token that is kept. A second cookie of the name, planted by somebody else, makes both worthless."""
        found = [
            value
            for part in headers.get(b"cookie", b"").decode("latin-1").split(";")
            for name, equals, value in [part.strip().partition("=")]
            if equals and name == self._cookie(what)
        ]
        return found[0] if len(found) == 1 and found[0] else None

    def _cookie(self, what: str) -> str:
        """With the prefix a browser takes it from this very host only, over https."""
        return f"__Host-headrace_{what}" if self.secure else f"headrace_{what}"


def is_json(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower() == b"application/json"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _security_headers(*, secure: bool) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-security-policy", _CSP.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ]
    if secure:
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return headers
