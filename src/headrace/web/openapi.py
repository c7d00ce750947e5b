"""The OpenAPI 3.1 document, made from the operations."""

import re
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from headrace import wire
from headrace.wire import operations

_REF = "#/components/schemas/{name}"
_IN_PATH = re.compile(r"{(\w+)}")


def document(table: Iterable[operations.Operation[Any, Any]], *, title: str, version: str) -> dict[str, Any]:
    """The document as JSON values, with every message under `components`."""
    table = tuple(table)
    types: list[Any] = [wire.Problem]
    for operation in table:
        types += [operation.request, operation.answer]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    problem = schemas[0]
    paths: dict[str, dict[str, Any]] = {}
    for index, operation in enumerate(table):
        request = _fields(schemas[1 + 2 * index], components)
        entry = _entry(operation, request, schemas[2 + 2 * index], problem)
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "headrace_session"},
            },
        },
    }


def as_text() -> str:
    """The server's document as it is kept in the repository."""
    made = document(operations.OPERATIONS, title="Headrace", version=str(wire.PROTOCOL))
    return msgspec.json.format(msgspec.json.encode(made), indent=1).decode() + "\n"


def path_fields(operation: operations.Operation[Any, Any]) -> tuple[str, ...]:
    """The request's fields that stand in the path."""
    return tuple(_IN_PATH.findall(operation.path))


def in_query(operation: operations.Operation[Any, Any]) -> bool:
    """Whether fields that are not in the path go to the query rather than the body."""
    return operation.method in ("GET", "DELETE")


def _fields(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    return components[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _entry(
    operation: operations.Operation[Any, Any],
    request: dict[str, Any],
    answer: dict[str, Any],
    problem: dict[str, Any],
) -> dict[str, Any]:
    names = path_fields(operation)
    properties: dict[str, Any] = request.get("properties", {})
    required: list[str] = request.get("required", [])
    rest = {name: schema for name, schema in properties.items() if name not in names}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": properties[name]} for name in names
    ]
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-needs": operation.needs.value,
        "security": [] if operation.needs == "public" else [{"key": []}, {"session": []}],
        "responses": {
            "200": {"description": "Done.", "content": _content(operation, answer)},
            "default": {
                "description": "A problem.",
                "content": {"application/problem+json": {"schema": problem}},
            },
        },
    }
    if in_query(operation):
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in rest.items()
        ]
    elif rest:
        body = {"type": "object", "properties": rest, "required": [name for name in required if name in rest]}
        entry["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if parameters:
        entry["parameters"] = parameters
    return entry


def _content(operation: operations.Operation[Any, Any], answer: dict[str, Any]) -> dict[str, Any]:
    if operation.streams:
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": answer}}


if __name__ == "__main__":
    sys.stdout.write(as_text())
