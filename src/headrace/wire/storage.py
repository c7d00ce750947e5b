"""Where a flow version's content is: references that the server keeps and only run processes follow.

They hold public facts. A credential is named by the environment variable that holds it where the run is launched.
"""

import re
from urllib.parse import urlsplit

from headrace import wire

#: The schemes of the URLs of buckets.
BUCKETS = ("s3", "gs", "az")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

#: What the clients of object stores read from their environment, by the scheme of the URL: those that are secret, others.
_SECRETS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_BEARER_TOKEN"),
    "az": (
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_TOKEN",
        "AZURE_CLIENT_SECRET",
    ),
}
_FACTS = {
    "s3": (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_BASE_URL"),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_AUTHORITY_HOST",
        "AZURE_FEDERATED_TOKEN_FILE",
    ),
}


class LocalStorage(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """A file on the machine that registered the flow; `host` becomes a label, so that only its agents get the runs."""

    path: str
    host: str


class ModuleStorage(wire.Message, frozen=True, tag="module", tag_field="kind"):
    """A flow that can be imported: `module` and the `attribute` that holds it."""

    module: str
    attribute: str


class GitStorage(wire.Message, frozen=True, tag="git", tag_field="kind"):
    """A flow in a file of a repository, at one commit.

    `path` is the file, `flow` the flow's name in it, `directory` what of the repository goes along ("": all of it),
    `ref` how the commit was found: `refs/heads/main`. `…_variable` name environment variables.
    """

    url: str
    commit: str
    path: str
    flow: str
    directory: str = ""
    ref: str = ""
    username: str = ""
    token_variable: str = ""
    ssh_key_variable: str = ""
    host_keys: list[str] = []

    def __post_init__(self) -> None:
        _without_password(self.url)


class WebhookStorage(wire.Message, frozen=True, tag="webhook", tag_field="kind"):
    """What an HTTP request answers with. `${NAME}` in the URL and the headers is resolved only in the run."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        _without_password(self.url)


class ObjectStorage(wire.Message, frozen=True, tag="object", tag_field="kind"):
    """An object of a bucket: `s3://`, `gs://` or `az://`. `variables` are options whose values environment variables hold."""

    url: str
    options: dict[str, str] = {}
    variables: dict[str, str] = {}

    def __post_init__(self) -> None:
        for url in (self.url, *self.options.values()):
            _without_password(url)


class ExtensionStorage(wire.Message, frozen=True, tag="extension", tag_field="kind"):
    """A storage of another package, by its `name` among the entry points `headrace.storages`.

    `facts` are the package's own; `variables` the environment variables that it needs in the run.
    """

    name: str
    facts: dict[str, str] = {}
    variables: list[str] = []


Storage = LocalStorage | ModuleStorage | GitStorage | WebhookStorage | ObjectStorage | ExtensionStorage


def _without_password(url: str) -> None:
    """References are kept and shown: whoever registers by other means than the library is refused, too."""
    if urlsplit(url).password is not None:
        raise ValueError("the URL of a storage has a password in it: name an environment variable instead")


def is_bucket(text: str) -> bool:
    """Whether it is the URL of something in a bucket."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme in BUCKETS


def kind(storage: Storage) -> str:
    """The word that decides, among others, whether a registration makes a new version."""
    return str(type(storage).__struct_config__.tag)


def variables(storage: Storage) -> tuple[str, ...]:
    """The environment variables that a run needs to follow the reference, as far as the agent has them."""
    if isinstance(storage, GitStorage):
        return (*secrets(storage), "SSH_AUTH_SOCK")
    if isinstance(storage, ObjectStorage):
        return (*secrets(storage), *_FACTS.get(urlsplit(storage.url).scheme, ()))
    return secrets(storage)


def secrets(storage: Storage) -> tuple[str, ...]:
    """Those of the variables whose values are nobody's to read."""
    match storage:
        case GitStorage():
            names = [storage.token_variable, storage.ssh_key_variable]
        case WebhookStorage():
            names = [
                name for text in (storage.url, *storage.headers.values()) for name in _REFERENCE.findall(text)
            ]
        case ObjectStorage():
            names = [*storage.variables.values(), *_SECRETS.get(urlsplit(storage.url).scheme, ())]
        case ExtensionStorage():
            names = storage.variables
        case _:
            names = []
    return tuple(dict.fromkeys(name for name in names if name))
