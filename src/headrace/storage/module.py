"""Flows that are imported where they run: what is kept is the name, so that its hash guards the name and not the code."""

import msgspec

from headrace import errors
from headrace.wire import storage as wire_storage

#: What such content begins with.
MARK = b"headrace-module 1\n"


class Module:
    """A flow that is installed where it runs: `attribute` of `module`."""

    def __init__(self, module: str, attribute: str) -> None:
        self._reference = wire_storage.ModuleStorage(module=module, attribute=attribute)

    def content(self, flow: str = "", file: str | None = None) -> bytes:
        """The content to register: the name, whatever the flow and wherever it was defined."""
        del flow, file
        return _content(self._reference)

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.ModuleStorage:
        if content != self.content():
            raise errors.ContentError(
                f"{project}/{flow} is stored as a module: its content is Module.content(), nothing else."
            )
        return self._reference

    def withdraw(self) -> None:
        """Nothing is ever added: the module is installed by other means."""

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        assert isinstance(reference, wire_storage.ModuleStorage)
        return _content(reference)


def _content(reference: wire_storage.ModuleStorage) -> bytes:
    return MARK + msgspec.json.encode({"module": reference.module, "attribute": reference.attribute})


def named(content: bytes) -> tuple[str, str] | None:
    """The module and attribute that such content names, None for any other content."""
    if not content.startswith(MARK):
        return None
    try:
        names = msgspec.json.decode(content[len(MARK) :], type=dict[str, str])
        return names["module"], names["attribute"]
    except (msgspec.DecodeError, KeyError):
        raise errors.ContentError("the flow's content names no module: register the flow again.") from None
