"""Storages: where a flow version's content is kept and how a run process gets it. Content is bytes named by its SHA-256."""

from typing import Protocol, runtime_checkable

from headrace.wire import storage as wire_storage


class Storage(Protocol):
    """One kind of storage. Another package adds its own as an entry point in the group `headrace.storages`."""

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.Storage:
        """Keeps the content; the reference is what the server learns. Raises errors.ContentError."""
        ...

    def withdraw(self) -> None:
        """Removes what the last `save` added, for the server has refused it."""
        ...

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        """The bytes, not yet checked: the caller compares their hash before it uses them. Raises errors.ContentError.

        The reference is all there is to go by, and the environment of the run.
        """
        ...


@runtime_checkable
class Source(Protocol):
    """A storage in which the code lies already: what is registered is what it has, and nothing is pickled."""

    def content(self, flow: str, file: str | None) -> bytes:
        """The content of a flow that `file` defines on this machine, if a file does. Raises errors.ContentError."""
        ...
