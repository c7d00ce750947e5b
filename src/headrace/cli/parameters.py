"""A run's parameters as people type them: `-p NAME=VALUE`."""

import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from headrace import client, errors
from headrace.wire import flows, operations


def declared(api: client.Client, version_id: UUID) -> list[flows.ParameterSpec]:
    """What a version of a flow takes."""
    return api.call(operations.read_version, flows.VersionRef(version_id=version_id)).structure.parameters


def read(given: Sequence[str], known: Sequence[flows.ParameterSpec]) -> dict[str, Any]:
    """NAME=VALUE pairs as values: text stays text where the parameter is text, else it is read as JSON if it can be.

    Raises errors.Invalid for what is no such pair.
    """
    texts = {spec.name for spec in known if spec.schema.get("type") == "string"}
    values: dict[str, Any] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise errors.Invalid(f"-p {pair!r} is not NAME=VALUE")
        values[name] = text
        if name not in texts:
            with contextlib.suppress(msgspec.DecodeError):
                values[name] = msgspec.json.decode(text)
    return values
