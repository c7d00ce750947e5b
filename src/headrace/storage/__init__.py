"""Storages: where a flow version's content is kept and how a run process gets it. Content is bytes named by its SHA-256."""

from typing import Protocol

from headrace.wire import storage as wire_storage


class Storage(Protocol):
    """One kind of storage."""

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.Storage:
        """Keeps the content; the reference is what the server learns. Raises errors.ContentError."""
        ...

    def withdraw(self) -> None:
        """Removes what the last `save` added, for the server has refused it."""
        ...

    def load(self, reference: wire_storage.Storage) -> bytes:
        """The bytes, not yet checked: the caller compares their hash before it uses them. Raises errors.ContentError."""
        ...
