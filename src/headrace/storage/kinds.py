"""From a reference to the storage that follows it."""

from headrace import storage
from headrace.storage import local, module
from headrace.wire import storage as wire_storage


def build(reference: wire_storage.Storage) -> storage.Storage:
    """The storage that can load what the reference names."""
    match reference:
        case wire_storage.LocalStorage():
            return local.Local()
        case wire_storage.ModuleStorage():
            return module.Module(reference.module, reference.attribute)
