"""The registry of storages: our own, and those that other packages add as entry points in the group `headrace.storages`."""

import difflib
import importlib
from importlib import metadata
from typing import cast

from headrace import errors, storage
from headrace.wire import storage as wire_storage

GROUP = "headrace.storages"
#: Imported when one is used: a run whose content is a local file loads nothing of the others.
_OWN = {
    "local": ("headrace.storage.local", "Local"),
    "module": ("headrace.storage.module", "Module"),
    "git": ("headrace.storage.git", "Git"),
    "webhook": ("headrace.storage.webhook", "Webhook"),
    "object": ("headrace.storage.objects", "ObjectStore"),
}


def load(reference: wire_storage.Storage) -> bytes:
    """The bytes that the reference names, not yet checked. Raises errors.ContentError, whatever the storage raises."""
    if not isinstance(reference, wire_storage.ExtensionStorage):
        return _load_own(reference)
    found = find(reference.name)
    try:
        content = found.load(reference)
    except errors.ContentError:
        raise
    except Exception as error:
        raise errors.StorageUnreachable(
            f"the storage {reference.name!r} failed ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(content, bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - another package's code
        raise errors.StorageUnreachable(
            f"the storage {reference.name!r} gave a {type(content).__name__} and not bytes."
        )
    return content


def _load_own(reference: wire_storage.Storage) -> bytes:
    kind = wire_storage.kind(reference)
    module, name = _OWN[kind]
    own: type[storage.Storage] = getattr(importlib.import_module(module), name)
    try:
        return own.load(reference)
    except errors.ContentError:
        raise
    except errors.Invalid as error:
        raise errors.ContentError(f"the flow's content cannot be looked for: {error.message}") from None
    except Exception as error:  # such as a full disk; its text may hold what it was about to send
        raise errors.StorageUnreachable(
            f"the flow's content cannot be had from its {kind} storage ({type(error).__name__})."
        ) from error


def find(name: str) -> type[storage.Storage]:
    """The storage of another package that goes by this name here. Raises errors.StorageUnknown."""
    known = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known)) or 'none'}."
        raise errors.StorageUnknown(
            f"no installed package has a storage called {name!r}: {hint} Install the one that has it, here and where runs run."
        )
    try:
        return cast("type[storage.Storage]", known[name].load())
    except Exception as error:  # importing runs the package's code, which may raise anything
        raise errors.StorageUnknown(
            f"the storage {name!r} is {known[name].value}, which cannot be imported ({type(error).__name__}: {error})."
        ) from error
