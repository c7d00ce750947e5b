"""Content behind HTTP: a request keeps it, another brings it. `${NAME}` in them is resolved where they are made."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from headrace import errors
from headrace.storage import pace, variables
from headrace.wire import storage as wire_storage

if TYPE_CHECKING:
    import urllib3

METHODS = ("GET", "POST", "PUT")
#: Headers that hold a secret, by a part of their name: what they hold comes from the environment.
_SECRET_HEADERS = re.compile(r"authorization|cookie|token|secret|password|key", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLACES = ("{sha256}", "{project}", "{flow}")
_TIMED_OUT = {408, 425, 429, 500, 502, 503, 504}


class Webhook:
    """Keeps content with a request to `save_url` and gets it with one to `url` (where they differ).

    `{sha256}`, `{project}` and `{flow}` in a URL are filled in when the flow is registered; `${NAME}` in a URL or a header
    is an environment variable, resolved only where the request is made: on registration, and in the run.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        save_url: str | None = None,
        save_headers: Mapping[str, str] | None = None,
        save_method: str = "PUT",
    ) -> None:
        self._url = _checked_url(url, "url")
        self._headers = _checked_headers(headers or {}, "headers")
        self._method = _checked_method(method, "method")
        self._save_url = _checked_url(save_url or url, "save_url")
        self._save_headers = _checked_headers(
            headers or {} if save_headers is None else save_headers, "save_headers"
        )
        self._save_method = _checked_method(save_method, "save_method")
        if "{sha256}" not in self._url:
            raise errors.Invalid(
                "url must hold {sha256}, so that each content has a place of its own and an old run still finds its own."
            )

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.WebhookStorage:
        def filled(url: str) -> str:
            for place, word in zip(_PLACES, (sha256, project, flow), strict=True):
                url = url.replace(place, quote(word, safe=""))
            return url

        headers = {"Content-Type": "application/octet-stream", **self._save_headers}
        _request(self._save_method, filled(self._save_url), headers, content)
        return wire_storage.WebhookStorage(url=filled(self._url), method=self._method, headers=self._headers)

    def withdraw(self) -> None:
        """Nothing is removed: there is no request for that. What nobody refers to lies under its own name."""

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        assert isinstance(reference, wire_storage.WebhookStorage)
        return _request(reference.method, reference.url, reference.headers, None)


def _checked_url(url: str, option: str) -> str:
    parts = urlsplit(variables.check(url, option))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise errors.Invalid(f"{option} must begin with https:// (or http://) and a host.")
    if "@" in parts.netloc:
        raise errors.Invalid(f"{option} has a user in it: put credentials into headers, as ${{NAME}}.")
    if "$" in parts.netloc:
        raise errors.Invalid(f"{option}: the host is not a secret; write it out.")
    return url


def _checked_headers(headers: Mapping[str, str], option: str) -> dict[str, str]:
    for header, text in headers.items():
        if not _HEADER.fullmatch(header) or "\n" in text or "\r" in text:
            raise errors.Invalid(f"{option}: {header!r} is no header.")
        if _SECRET_HEADERS.search(header) and not variables.names(variables.check(text, option)):
            raise errors.Invalid(
                f"{option}: {header} holds a secret: name the environment variable that has it, as in 'Bearer ${{FILES_TOKEN}}'."
            )
    return {header: variables.check(text, option) for header, text in headers.items()}


def _checked_method(method: str, option: str) -> str:
    if method.upper() not in METHODS:
        raise errors.Invalid(f"{option} is {method!r}; give one of {', '.join(METHODS)}.")
    return method.upper()


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Makes the request, again where nothing has answered. Errors name the template, never what it was resolved to."""
    target = variables.resolve(url)
    sent = {header: variables.resolve(text) for header, text in headers.items()}
    return pace.persistent(lambda: _once(method, target, sent, body, _shown(url)))


def _once(method: str, target: str, headers: Mapping[str, str], body: bytes | None, shown: str) -> bytes:
    import urllib3  # costs more than all else here, and only who uses a webhook needs it

    paced = pace.Pace(shown)
    timeout = urllib3.Timeout(connect=min(10.0, paced.seconds), read=paced.seconds)
    try:
        # no redirects: what a header holds is meant for this host
        with (
            urllib3.PoolManager() as pool,
            pool.request(
                method,
                target,
                headers={"User-Agent": "headrace", "Accept-Encoding": "identity", **headers},
                body=body,
                redirect=False,
                retries=False,
                timeout=timeout,
                preload_content=False,
            ) as answer,
        ):
            _refuse(answer.status, shown)
            return _all(answer, paced.got)
    except urllib3.exceptions.HTTPError as error:
        raise errors.StorageUnreachable(f"{shown} does not answer ({_cause(error)}).") from None


def _all(answer: "urllib3.BaseHTTPResponse", got: Callable[[int], None]) -> bytes:
    chunks: list[bytes] = []
    while chunk := answer.read1(2**16):
        got(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _refuse(status: int, shown: str) -> None:
    if status in (401, 403, 407):
        raise errors.StorageRefused(
            f"{shown} does not accept the credential (it answers {status}): look at it where the run was launched."
        )
    if status in (404, 410):
        raise errors.ContentMissing(
            f"{shown} is not there any more (it answers {status}): register the flow again."
        )
    if status in _TIMED_OUT:
        raise errors.StorageUnreachable(f"{shown} cannot answer just now ({status}).")
    if not 200 <= status < 300:
        why = "; redirects are not followed, so give the address where it lies" if 300 <= status < 400 else ""
        raise errors.ContentMissing(f"{shown} answers {status}{why}.")


def _shown(url: str) -> str:
    """The template without its query: what is not resolved is no secret, and where it lies says enough."""
    return url.partition("?")[0]


def _cause(error: Exception) -> str:
    """The kind of the error: its text holds the URL."""
    words = {
        "NewConnectionError": "no connection",
        "ConnectTimeoutError": "no connection in time",
        "ReadTimeoutError": "no answer in time",
        "NameResolutionError": "its name is not known",
        "IncompleteRead": "the connection was closed half-way",
        "ProtocolError": "the connection was closed half-way",
        "SSLError": "its certificate is not trusted",
    }
    kind = type(error).__name__
    return words.get(kind, kind)
