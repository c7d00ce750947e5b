"""Every storage with a real server behind it, and what may happen to what it keeps.

A rig knows how a flow file writes the storage (`code`), what it needs of the environment, which of that is secret, and how to
remove and damage what a reference names.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import msgspec

import git_server
import headrace
import object_server
from headrace import storage
from headrace.storage import buckets
from headrace.wire import storage as wire_storage
from receivers import Received, Receiver, say

Damage = Callable[[bytes], bytes]
BYTES = b"any bytes \x00\xff\n" * 500
TOKEN = "webhook-token-that-nobody-may-see"
#: The path of the flow's file in git.
PATH = "flows/daily.py"


class Rig:
    """One kind of storage."""

    def __init__(self, name: str, code: str, environment: dict[str, str], secrets: list[str]) -> None:
        self.name = name
        self.code = code
        self.environment = environment
        self.secrets = secrets
        #: What a flow file imports besides.
        self.imports = "from headrace import Git, Local, ObjectStore, Webhook"

    def keeper(self) -> Any:
        return eval(self.code, vars(headrace) | {name: getattr(headrace, name) for name in headrace.__all__})

    def content(self, keeper: storage.Storage) -> bytes:
        """Something that it can keep."""
        return BYTES

    def publish(self, source: str) -> None:
        """The flow's file is made known where the storage expects it."""

    def remove(self, reference: Any) -> None:
        raise NotImplementedError

    def damage(self, reference: Any, damage: Damage) -> None:
        raise NotImplementedError

    def refused(self) -> dict[str, str]:
        """An environment with a credential that is not accepted."""
        raise NotImplementedError

    def at(self, reference: Any, port: int) -> Any:
        """The reference, with its server at another port."""
        raise NotImplementedError


class LocalRig(Rig):
    def __init__(self, folder: Path) -> None:
        super().__init__("local", f"Local(__import__('pathlib').Path({str(folder)!r}))", {}, [])

    def remove(self, reference: wire_storage.LocalStorage) -> None:
        Path(reference.path).unlink()

    def damage(self, reference: wire_storage.LocalStorage, damage: Damage) -> None:
        path = Path(reference.path)
        path.write_bytes(damage(path.read_bytes()))


class GitRig(Rig):
    def __init__(self, name: str, repository: git_server.Repository, *given: Any) -> None:
        super().__init__(name, *given)
        self._repository = repository
        self.publish("flow = 1\n")

    def content(self, keeper: Any) -> bytes:
        return keeper.content("daily", None)

    def publish(self, source: str) -> None:
        self._repository.commit({PATH: source, "flows/beside.py": "answer = 42\n", "data.bin": "1\r\n"})

    def remove(self, reference: wire_storage.GitStorage) -> None:
        self._repository.commit({"flows/beside.py": "answer = 43\n"}, amend=True)
        self._repository.forget()

    def damage(self, reference: wire_storage.GitStorage, damage: Damage) -> None:
        before = self._repository.git("show", f"{reference.commit}:{PATH}").encode() + b"\n"
        self._repository.alter(reference.commit, PATH, damage(before))

    def at(self, reference: wire_storage.GitStorage, port: int) -> Any:
        return msgspec.structs.replace(
            reference, url=reference.url.replace(str(urlsplit(reference.url).port), str(port))
        )


class SshRig(GitRig):
    def __init__(self, repository: git_server.Repository, server: git_server.Ssh) -> None:
        options = f"ssh_key_variable='FLOWS_KEY', host_keys=[{server.host_key!r}], branch='main'"
        code = f"Git({server.url(repository)!r}, {PATH!r}, {options})"
        key = server.key.read_text()
        super().__init__("git over SSH", repository, code, {"FLOWS_KEY": key}, key.splitlines()[1:2])
        self._other = str(server.other_key)

    def refused(self) -> dict[str, str]:
        return {"FLOWS_KEY": self._other}


class HttpRig(GitRig):
    def __init__(self, repository: git_server.Repository, server: git_server.Http) -> None:
        code = f"Git({server.url + '/' + repository.name!r}, {PATH!r}, token_variable='FLOWS_TOKEN')"
        environment = {"FLOWS_TOKEN": git_server.TOKEN}
        super().__init__("git over HTTP", repository, code, environment, [git_server.TOKEN])

    def refused(self) -> dict[str, str]:
        return {"FLOWS_TOKEN": "wrong-token"}


class WebhookRig(Rig):
    """A server of files that are PUT to it, behind a token in a header."""

    def __init__(self, server: Receiver) -> None:
        self._files: dict[str, bytes] = {}
        server.usual = self._answer
        code = (
            f"Webhook('{server.url}/{{project}}/{{flow}}/{{sha256}}?key=${{FILES_KEY}}',"
            " headers={'Authorization': 'Bearer ${FILES_TOKEN}'})"
        )
        environment = {"FILES_TOKEN": TOKEN, "FILES_KEY": "key-that-nobody-may-see"}
        super().__init__("webhook", code, environment, list(environment.values()))

    def _answer(self, receiver: Receiver, request: Received, connection: Any) -> None:
        path, _, query = request.path.partition("?")
        if request.headers.get("authorization") != f"Bearer {TOKEN}" or not query.startswith("key=key-that"):
            return say(401)(receiver, request, connection)
        if request.method == "PUT":
            self._files[path] = request.body
        if path not in self._files:
            return say(404)(receiver, request, connection)
        return say(200, self._files[path])(receiver, request, connection)

    def remove(self, reference: wire_storage.WebhookStorage) -> None:
        del self._files[urlsplit(reference.url).path]

    def damage(self, reference: wire_storage.WebhookStorage, damage: Damage) -> None:
        path = urlsplit(reference.url).path
        self._files[path] = damage(self._files[path])

    def refused(self) -> dict[str, str]:
        return {"FILES_TOKEN": "wrong-token"}

    def at(self, reference: wire_storage.WebhookStorage, port: int) -> Any:
        return msgspec.structs.replace(
            reference, url=reference.url.replace(f":{urlsplit(reference.url).port}/", f":{port}/")
        )


class ObjectRig(Rig):
    def __init__(self, server: object_server.Server) -> None:
        code = (
            f"ObjectStore('s3://flows/content', endpoint={server.url!r}, region='eu-central-1',"
            " variables={'access_key_id': 'FLOWS_KEY_ID', 'secret_access_key': 'FLOWS_SECRET'})"
        )
        environment = {"FLOWS_KEY_ID": server.key, "FLOWS_SECRET": server.secret}
        super().__init__("object", code, environment, [server.secret, server.key])

    def _bucket(self, reference: wire_storage.ObjectStorage) -> tuple[buckets.Bucket, str]:
        place = buckets.place(reference.url)
        with mock.patch.dict(os.environ, self.environment):
            return buckets.bucket(place.root, reference.options, reference.variables), place.key

    def remove(self, reference: wire_storage.ObjectStorage) -> None:
        bucket, key = self._bucket(reference)
        with mock.patch.dict(os.environ, self.environment):
            bucket.delete(key)

    def damage(self, reference: wire_storage.ObjectStorage, damage: Damage) -> None:
        bucket, key = self._bucket(reference)
        with mock.patch.dict(os.environ, self.environment):
            bucket.write(key, damage(bucket.read(key)))

    def refused(self) -> dict[str, str]:
        return {"FLOWS_SECRET": "wrong-secret"}

    def at(self, reference: wire_storage.ObjectStorage, port: int) -> Any:
        options = reference.options | {"endpoint": f"http://127.0.0.1:{port}"}
        return msgspec.structs.replace(reference, options=options)


#: A package as somebody else writes it.
ACME = """
import os
from pathlib import Path

from headrace.wire.storage import ExtensionStorage


class Acme:
    def __init__(self, folder):
        self._folder = Path(folder)

    def save(self, content, sha256, *, project, flow):
        assert os.environ["ACME_TOKEN"]
        path = self._folder / sha256
        path.write_bytes(content)
        return ExtensionStorage(name="acme", facts={"path": str(path)}, variables=["ACME_TOKEN"])

    def withdraw(self):
        pass

    @classmethod
    def load(cls, reference):
        assert os.environ["ACME_TOKEN"] == "acme-token-that-nobody-may-see"
        return Path(reference.facts["path"]).read_bytes()
"""


class ExtensionRig(Rig):
    """A package that is installed in `packages`, with an entry point of its own."""

    def __init__(self, folder: Path) -> None:
        self.packages = folder / "packages"
        information = self.packages / "acme_storage-1.0.dist-info"
        information.mkdir(parents=True)
        (self.packages / "acme_storage.py").write_text(ACME)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-storage\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(
            "[headrace.storages]\nacme = acme_storage:Acme\nbroken = acme_storage:Missing\n"
        )
        self._folder = folder / "kept"
        self._folder.mkdir()
        environment = {"ACME_TOKEN": "acme-token-that-nobody-may-see", "PYTHONPATH": str(self.packages)}
        code = f"__import__('acme_storage').Acme({str(self._folder)!r})"
        super().__init__("extension", code, environment, [environment["ACME_TOKEN"]])

    def keeper(self) -> Any:
        with importable(self.packages):
            return super().keeper()

    def remove(self, reference: wire_storage.ExtensionStorage) -> None:
        Path(reference.facts["path"]).unlink()

    def damage(self, reference: wire_storage.ExtensionStorage, damage: Damage) -> None:
        path = Path(reference.facts["path"])
        path.write_bytes(damage(path.read_bytes()))


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


#: Each with a server of its own, which lives as long as the block.
ON_SERVERS = ("git over SSH", "git over HTTP", "webhook", "object")
KINDS = ("local", "extension", *ON_SERVERS)


@contextlib.contextmanager
def rig(kind: str, folder: Path) -> Iterator[Rig]:
    with contextlib.ExitStack() as until:
        match kind:
            case "local":
                yield LocalRig(folder / "content")
            case "git over SSH":
                server = until.enter_context(git_server.ssh(folder / "ssh"))
                yield SshRig(git_server.Repository(folder), server)
            case "git over HTTP":
                yield HttpRig(
                    git_server.Repository(folder), until.enter_context(git_server.over_http(folder))
                )
            case "webhook":
                receiver = Receiver()
                until.callback(receiver.close)
                yield WebhookRig(receiver)
            case "object":
                yield ObjectRig(until.enter_context(object_server.serving()))
            case _:
                yield ExtensionRig(folder)
