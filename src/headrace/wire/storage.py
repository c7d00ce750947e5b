"""Where a flow version's content is: references that the server keeps and only run processes follow."""

from headrace import wire


class LocalStorage(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """A file on the machine that registered the flow; `host` becomes a label, so that only its agents get the runs."""

    path: str
    host: str


class ModuleStorage(wire.Message, frozen=True, tag="module", tag_field="kind"):
    """A flow that can be imported: `module` and the `attribute` that holds it."""

    module: str
    attribute: str


Storage = LocalStorage | ModuleStorage


def kind(storage: Storage) -> str:
    """The word that decides, among others, whether a registration makes a new version."""
    return str(type(storage).__struct_config__.tag)
