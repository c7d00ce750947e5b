"""Serializers: how results become bytes and values again, by the name that is kept beside each result."""

from typing import Any

import msgspec

from headrace import errors
from headrace.executors import pickling
from headrace.graph import options


class Pickle:
    """Any Python object."""

    name = "pickle"

    def dumps(self, value: Any) -> bytes:
        return pickling.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickling.loads(data)


class Json:
    """What JSON has words for; dates, dataclasses and the like come back as strings and dicts."""

    name = "json"

    def dumps(self, value: Any) -> bytes:
        return msgspec.json.encode(value)

    def loads(self, data: bytes) -> Any:
        return msgspec.json.decode(data)


class Text:
    """A string, as UTF-8."""

    name = "text"

    def dumps(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"the serializer 'text' takes a str, not {type(value).__name__}")
        return value.encode()

    def loads(self, data: bytes) -> Any:
        return data.decode()


class Bytes:
    """Bytes, as they are."""

    name = "bytes"

    def dumps(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError(f"the serializer 'bytes' takes bytes, not {type(value).__name__}")
        return value

    def loads(self, data: bytes) -> Any:
        return data


_KNOWN: dict[str, options.Serializer] = {each.name: each for each in (Pickle(), Json(), Text(), Bytes())}


def register(serializer: options.Serializer) -> None:
    """Makes a serializer known by its name, in this process: register it where the flow's tasks are defined."""
    _KNOWN[serializer.name] = serializer


def find(chosen: str | options.Serializer | None) -> options.Serializer:
    """The serializer itself, or the one of that name; pickle for None. Raises errors.ResultError."""
    if chosen is None:
        return _KNOWN["pickle"]
    if not isinstance(chosen, str):
        return chosen
    try:
        return _KNOWN[chosen]
    except KeyError:
        raise errors.ResultError(
            f"there is no serializer '{chosen}'{options.suggestion(chosen, _KNOWN)}"
        ) from None
