"""Classes made of `msgspec.Struct` in a user's own file, for cloudpickle: it takes classes along, and does not know these.

cloudpickle makes a class empty first and gives it its attributes later, so that its methods may name the class itself.
A struct's fields must be there from the start; they come with the class then, and the rest later as ever.
"""

import functools
import inspect
from typing import Any

import msgspec

#: What `__struct_config__` says of a class beside its tag.
_OPTIONS = (
    "frozen",
    "eq",
    "order",
    "array_like",
    "gc",
    "repr_omit_defaults",
    "omit_defaults",
    "forbid_unknown_fields",
    "weakref",
    "dict",
    "cache_hash",
)


def reduced(kind: type[Any], usual: Any) -> Any:
    """What cloudpickle would keep of a class that is taken along, mended.

    Other kinds lose nothing but what msgspec has noted down on a class that it has decoded, which cannot be pickled.
    """
    if usual is NotImplemented or len(usual) < 3:  # it is imported where it is unpickled
        return usual
    make, made_from, (attributes, slots), *rest = usual
    hidden = {"__msgspec_cache__"}
    if isinstance(kind, msgspec.StructMeta):
        hidden |= {"__annotations__", "__slots__", *kind.__struct_fields__}
        made_from = _with_fields(kind, *made_from)
    return make, made_from, ({key: attributes[key] for key in attributes if key not in hidden}, slots), *rest


def _with_fields(
    kind: Any, metaclass: Any, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *others: Any
) -> tuple[Any, ...]:
    annotations = inspect.get_annotations(kind)
    own = [field for field in kind.__struct_fields__ if field in annotations]
    values, factories = _defaults(kind, own)
    fields: dict[str, Any] = {"__annotations__": annotations, **values}
    if "__post_init__" in vars(kind):
        fields["__post_init__"] = _post_init
    constructor = functools.partial(_make, metaclass, _options(kind, own), factories)
    return constructor, name, bases, {**namespace, **fields}, *others


def _options(kind: Any, own: list[str]) -> dict[str, Any]:
    config = kind.__struct_config__
    options = {option: getattr(config, option) for option in _OPTIONS}
    if config.tag is not None:
        options |= {"tag": config.tag, "tag_field": config.tag_field}
    encoded = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    keywords = [field for field in own if field not in kind.__match_args__]
    return {
        **options,
        "rename": {field: encoded[field] for field in own},
        "kw_only": bool(own) and keywords == own,
    }


def _defaults(kind: Any, own: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values and factories by field. The last fields have defaults, or are given by name alone and may have none."""
    values = kind.__struct_defaults__
    given = zip(kind.__struct_fields__[len(kind.__struct_fields__) - len(values) :], values, strict=True)
    found = {field: value for field, value in given if field in own and value is not msgspec.NODEFAULT}
    factory: Any = type(_Sample.__struct_defaults__[0])  # pyright: ignore[reportUnknownVariableType] - it has no name
    factories = {field: value.factory for field, value in found.items() if isinstance(value, factory)}
    return {field: value for field, value in found.items() if field not in factories}, factories


def _make(
    metaclass: Any,
    options: dict[str, Any],
    factories: dict[str, Any],
    name: str,
    bases: tuple[type, ...],
    namespace: dict[str, Any],
) -> Any:
    """The class, where it is unpickled: stands in for its metaclass."""
    made = {field: msgspec.field(default_factory=factory) for field, factory in factories.items()}
    return metaclass(name, bases, {**namespace, **made}, **options)


def _post_init(struct: Any) -> None:
    """msgspec looks for `__post_init__` when it makes a class, and cloudpickle sets the class's own after that."""
    struct.__class__.__post_init__(struct)


class _Sample(msgspec.Struct):
    """Shows how msgspec keeps a default that is made anew each time."""

    made: list[Any] = msgspec.field(default_factory=list[Any])
