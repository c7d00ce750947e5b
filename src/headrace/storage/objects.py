"""Content as objects of a bucket, each named by its SHA-256."""

from headrace import errors
from headrace.graph import options as task_options
from headrace.storage import buckets, variables
from headrace.wire import storage as wire_storage


class ObjectStore:
    """Keeps content under a URL: `ObjectStore("s3://bucket/flows", region="eu-central-1")`, `gs://…` or `az://…`.

    Options that say where the bucket is are given by name (`endpoint`, `region`, `account_name` …). Credentials come from
    the environment, as other programs of these clouds find them there; `variables` names others:
    `variables={"access_key_id": "FLOWS_KEY", "secret_access_key": "FLOWS_SECRET"}`.
    """

    def __init__(self, url: str, *, variables: dict[str, str] | None = None, **options: str) -> None:
        self._place = buckets.place(url)
        self.options = {name: _public(self._place.scheme, name, value) for name, value in options.items()}
        self.variables = {
            option: _named(self._place.scheme, option, name) for option, name in (variables or {}).items()
        }
        self._bucket = buckets.bucket(self._place.root, self.options, self.variables)
        self._added = ""

    @property
    def url(self) -> str:
        return self._place.url.rstrip("/")

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.ObjectStorage:
        key = f"{self._place.key}/{sha256}".lstrip("/")
        known = self._bucket.size(key)
        # what was damaged there is mended by registering again
        self._bucket.write(key, content)
        self._added = key if known is None else ""
        return wire_storage.ObjectStorage(
            url=f"{self._place.root}/{key}", options=self.options, variables=self.variables
        )

    def withdraw(self) -> None:
        if self._added:
            self._bucket.delete(self._added)

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        assert isinstance(reference, wire_storage.ObjectStorage)
        place = buckets.place(reference.url)
        return buckets.bucket(place.root, reference.options, reference.variables).read(place.key)


def _public(scheme: str, option: str, value: str) -> str:
    if option in buckets.SECRET[scheme]:
        raise errors.Invalid(
            f"{option} is a secret: put it in an environment variable and name that, variables={{{option!r}: 'NAME'}}."
        )
    if option not in buckets.PUBLIC[scheme]:
        raise errors.Invalid(
            f"{scheme}:// has no option {option!r}{task_options.suggestion(option, buckets.PUBLIC[scheme])}"
        )
    if "://" in value and "@" in value:
        raise errors.Invalid(f"{option} is a URL with a user in it: credentials are named by variables=.")
    return value


def _named(scheme: str, option: str, name: str) -> str:
    if option not in buckets.SECRET[scheme]:
        raise errors.Invalid(
            f"variables= holds {', '.join(buckets.SECRET[scheme])} of {scheme}://, and not {option!r}"
            f"{task_options.suggestion(option, buckets.SECRET[scheme])}"
        )
    return variables.name(name, f"variables[{option!r}]")
