"""URLs that people gave, taken apart, and what was answered there."""

import base64
import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from headrace import errors

#: Bytes of an answer's body that are read.
LARGEST = 64 * 1024
LONGEST_URL = 2000
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+")


@dataclasses.dataclass(frozen=True)
class Url:
    """A URL taken apart: `target` is path and query; `authorization` is made of its user and password."""

    scheme: str
    host: str
    port: int
    target: str
    authorization: str

    @property
    def place(self) -> str:
        """Scheme, host and port: what may be shown of a URL whose path and password are secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}.get(self.scheme) == self.port
        return f"{self.scheme}://{host}" if usual else f"{self.scheme}://{host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Reply:
    """What was answered. `whole` is False where the body was longer, or slower, than what is read of one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


def read_url(text: str) -> Url:
    """Takes an http or https URL apart. Raises errors.Invalid in words that repeat nothing of it."""
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable() or set(text) & set(' \\"<>'):
        raise _bad_url(f"a URL has at most {LONGEST_URL} printable ASCII characters and no spaces")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url("it is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise _bad_url("it begins with https://")
    if not HOST.fullmatch(host) or port == 0:
        raise _bad_url("it has no host that can be reached")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target, authorization)


def _bad_url(sentence: str) -> errors.Invalid:
    return errors.Invalid(f"the URL cannot be used: {sentence}", fields={"url": sentence})
