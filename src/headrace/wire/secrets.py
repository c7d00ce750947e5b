"""Fields of requests that must not be written down anywhere."""

import functools
import typing
from typing import Annotated, Any

import msgspec

#: The type of a field that holds a password, a token, or a URL with one in it. OpenAPI says so too.
Secret = Annotated[
    str,
    msgspec.Meta(extra={"secret": True}, extra_json_schema={"format": "password", "writeOnly": True}),
]
MASK = "•••"


def redacted(value: Any) -> Any:
    """The value as plain JSON types, with a mask in place of each secret that is not empty."""
    if isinstance(value, msgspec.Struct):
        hidden = _secret_fields(type(value))
        plain = {
            field: MASK if field in hidden and getattr(value, field) else redacted(getattr(value, field))
            for field in value.__struct_fields__
        }
        tag = value.__struct_config__.tag
        return {value.__struct_config__.tag_field: tag, **plain} if tag else plain
    if isinstance(value, dict):
        items = typing.cast("dict[Any, Any]", value)
        return {str(key): redacted(item) for key, item in items.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in typing.cast("list[Any]", value)]
    return msgspec.to_builtins(value)


@functools.cache
def _secret_fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if is_secret(hint))


def is_secret(hint: Any) -> bool:
    """Whether a field of this type is a `Secret`, also where it may be None."""
    metas = getattr(hint, "__metadata__", ())
    marked = any(isinstance(meta, msgspec.Meta) and (meta.extra or {}).get("secret") for meta in metas)
    return marked or any(is_secret(part) for part in typing.get_args(hint))
