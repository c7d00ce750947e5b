"""Content as files on this machine, under the user's data folder, each named by its SHA-256."""

import os
import socket
import stat
from pathlib import Path

from headrace import errors, settings
from headrace.wire import storage as wire_storage


class Local:
    """Keeps content under `folder` (None: `content` in the data folder). Only its owner can read it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._added: Path | None = None

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.LocalStorage:
        folder = self._folder or settings.home() / "content"
        path = folder / sha256
        self._added = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = path.exists()
            if not known or path.read_bytes() != content:
                _write(path, content)
                self._added = None if known else path
        except OSError as error:
            raise errors.ContentError(
                f"the content of {project}/{flow} cannot be kept in {folder}: {error.strerror or error}."
                " Make room or give another folder with HEADRACE_HOME."
            ) from None
        return wire_storage.LocalStorage(path=str(path), host=socket.gethostname())

    def withdraw(self) -> None:
        if self._added is not None:
            self._added.unlink(missing_ok=True)

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        assert isinstance(reference, wire_storage.LocalStorage)
        path = Path(reference.path)
        try:
            # a symlink may have been swapped in, and opening a pipe would wait for ever
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise errors.ContentMissing(_missing(reference)) from None
        except OSError as error:
            raise errors.StorageUnreachable(
                f"the flow's content cannot be read from {path}: {error.strerror or error}."
            ) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise errors.ContentMissing(f"the flow's content cannot be read: {path} is not a regular file.")
        with os.fdopen(handle, "rb") as file:
            return file.read()


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb"
    ) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _missing(reference: wire_storage.LocalStorage) -> str:
    here = socket.gethostname()
    if reference.host != here:
        return f"the flow's content is a file on {reference.host} and this is {here}: run it there, or register with another storage."
    return f"the flow's content is not in {reference.path} any more: register the flow again."
