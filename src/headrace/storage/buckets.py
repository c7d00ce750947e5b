"""Buckets of S3, Google and Azure, by URL, through obstore: what content and results in object stores share."""

# obstore's stubs overload each function by the kind of its store
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import dataclasses
import functools
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import urlsplit

from headrace import errors, settings
from headrace.storage import pace, variables
from headrace.wire import storage

#: Options that say where a bucket is and how it is spoken to. They are no secrets: they go along with references.
PUBLIC = {
    "s3": ("endpoint", "region", "virtual_hosted_style_request", "skip_signature", "sse_kms_key_id"),
    "gs": ("base_url", "skip_signature"),
    "az": ("account_name", "endpoint", "tenant_id", "client_id", "authority_host", "use_emulator", "skip_signature"),
}  # fmt: skip
#: Options whose values are secret: environment variables hold them.
SECRET = {
    "s3": ("access_key_id", "secret_access_key", "session_token"),
    "gs": ("service_account_key", "application_credentials", "bearer_token"),
    "az": ("account_key", "sas_key", "token", "client_secret"),
}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
#: What the stores say of requests that they do not accept, beside 401 and 403.
_NOT_ACCEPTED = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|AuthenticationFailed"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A bucket and what lies in it; `key` is a prefix or an object."""

    scheme: str
    bucket: str
    key: str

    @property
    def root(self) -> str:
        return f"{self.scheme}://{self.bucket}"

    @property
    def url(self) -> str:
        return f"{self.root}/{self.key}"


def place(url: str) -> Place:
    """What a URL names. Raises errors.Invalid."""
    parts = urlsplit(url)
    if parts.scheme not in storage.BUCKETS:
        raise errors.Invalid(
            f"{url!r} is no bucket's URL: give one such as s3://bucket/flows, gs://… or az://…."
        )
    if not _BUCKET.fullmatch(parts.netloc):
        raise errors.Invalid(
            f"the URL of a bucket is {parts.scheme}://BUCKET/PREFIX, without user, password or port."
        )
    key = parts.path.strip("/")
    if parts.query or parts.fragment or ".." in key.split("/"):
        raise errors.Invalid(f"the URL of a bucket is {parts.scheme}://BUCKET/PREFIX, and nothing behind it.")
    return Place(parts.scheme, parts.netloc, key)


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """Reads and writes objects. `options` are public, `named` says which variables hold the others.

    Every method raises errors.ContentError in words.
    """

    root: str
    options: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, str], ...] = ()

    def read(self, key: str) -> bytes:
        """The whole object."""
        url, store = f"{self.root}/{key}", self._store()
        try:
            paced = pace.Pace(url)
            chunks: list[bytes] = []
            for chunk in store.get(key).stream(min_chunk_size=1):
                data = bytes(chunk)
                paced.got(len(data))
                chunks.append(data)
        except Exception as error:  # noqa: BLE001 - obstore raises its own and several of Python's
            _told(error, url)
        return b"".join(chunks)

    def write(self, key: str, data: bytes) -> None:
        """Replaces the object, in one step: a reader sees the old one or the new one."""
        store = self._store()
        try:
            store.put(key, data)
        except Exception as error:  # noqa: BLE001 - obstore raises its own and several of Python's
            _told(error, f"{self.root}/{key}")

    def size(self, key: str) -> int | None:
        """How many bytes the object has; None where there is none."""
        store = self._store()
        try:
            return int(store.head(key)["size"])
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - obstore raises its own and several of Python's
            _told(error, f"{self.root}/{key}")

    def delete(self, key: str) -> None:
        store = self._store()
        try:
            store.delete(key)
        except FileNotFoundError:
            return
        except Exception as error:  # noqa: BLE001 - obstore raises its own and several of Python's
            _told(error, f"{self.root}/{key}")

    def _store(self) -> Any:
        held = {option: variables.value(name) for option, name in self.named}
        # temporary credentials change while a process lives
        return _connect(self.root, (*self.options, *held.items()), variables.surroundings(self.root))


def bucket(root: str, options: Mapping[str, str], named: Mapping[str, str]) -> Bucket:
    return Bucket(root, tuple(sorted(options.items())), tuple(sorted(named.items())))


@functools.lru_cache(maxsize=16)
def _connect(root: str, options: tuple[tuple[str, str], ...], surroundings: tuple[str, ...]) -> Any:
    del surroundings  # the client reads them itself: here they only tell one client from another
    try:
        from obstore import store as stores  # an extra: only who keeps something in a bucket needs it
    except ModuleNotFoundError:
        raise errors.StorageUnreachable(
            f"{root} needs the package obstore, which is not installed here: `pip install 'headrace[objects]'`."
        ) from None
    seconds = timedelta(seconds=settings.load().storage_seconds)
    try:
        return stores.from_url(
            root,
            config=dict(options),  # pyright: ignore[reportArgumentType, reportCallIssue] - its keys are those of the scheme
            # a private endpoint may speak plain HTTP; the cloud's own never do
            client_options={
                "allow_http": True,
                "connect_timeout": min(seconds, timedelta(seconds=10)),
                "read_timeout": seconds,
                "timeout": timedelta(hours=6),
            },
            retry_config={"max_retries": 3, "retry_timeout": seconds},
        )
    except Exception as error:  # noqa: BLE001 - what is wrong with an option is told in several kinds
        raise errors.StorageUnreachable(
            f"{root} cannot be opened with the options {', '.join(name for name, _ in options) or 'given'}"
            f" ({type(error).__name__})."
        ) from None


def _told(error: Exception, url: str) -> NoReturn:
    """Says it in words of our own: what the client says may hold the request, and with it a signature."""
    if isinstance(error, errors.HeadraceError):
        raise error
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    said = " ".join(found[1] for found in (status, code) if found)
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        if code and code[1] == "NoSuchBucket":
            raise errors.ContentMissing(
                f"there is no bucket for {url}: look at its name and region."
            ) from None
        raise errors.ContentMissing(f"{url} is not there any more: register the flow again.") from None
    refused = kind in ("PermissionDeniedError", "UnauthenticatedError") or (
        status and status[1] in ("401", "403")
    )
    if refused or _NOT_ACCEPTED.search(text):
        raise errors.StorageRefused(
            f"{url} does not accept the credential ({said or kind}): look at it where the run was launched."
        ) from None
    raise errors.StorageUnreachable(f"{url} cannot be reached ({said or _cause(text) or kind}).") from None


def _cause(text: str) -> str:
    """The innermost reason that is known to hold nothing of the request."""
    known = {
        "kind: Connect": "no connection",
        "kind: Timeout": "no answer in time",
        "kind: Interrupted": "the connection was closed half-way",
        "Missing credentials": "no credential was found",
    }
    return next((words for mark, words in known.items() if mark in text), "")
