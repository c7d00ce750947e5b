"""`headrace api …`: one command for each operation, made from the table. `--json` takes a whole request."""

import sys
import types
import typing
from typing import Any
from uuid import UUID

import click
import msgspec

from headrace import client, errors
from headrace.cli import output
from headrace.wire import operations


class OperationGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name.replace("_", "-") for name in operations.BY_NAME]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        operation = operations.BY_NAME.get(cmd_name.replace("-", "_"))
        return None if operation is None else command(operation)


def command(operation: operations.Operation[Any, Any]) -> click.Command:
    """The command of an operation: an option for each field of its request, nested ones as JSON."""

    def call(**given: Any) -> None:
        whole = given.pop("json_")
        fields: dict[str, Any] = msgspec.json.decode(whole) if whole else {}
        kinds = {field.name: field.type for field in msgspec.structs.fields(operation.request)}
        fields |= {
            name: _value(kinds[name], value) for name, value in given.items() if value not in (None, ())
        }
        try:
            request = msgspec.convert(fields, operation.request, strict=False)
        except msgspec.ValidationError as error:
            raise errors.Invalid(f"{operation.name}: {error}") from None
        api_client = client.Client()
        if operation.streams:
            for chunk in api_client.stream(operation, request):
                sys.stdout.buffer.write(chunk)
        else:
            output.json(api_client.call(operation, request))

    options: list[click.Parameter] = [
        click.Option(
            [f"--{field.name.replace('_', '-')}", field.name],
            type=_kind(field.type),
            multiple=_many(field.type),
        )
        for field in msgspec.structs.fields(operation.request)
    ]
    options.append(
        click.Option(["--json", "json_"], help="The whole request as JSON; single options win over it.")
    )
    return click.Command(
        operation.name.replace("_", "-"), callback=call, params=options, help=operation.summary
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(member for member in typing.get_args(annotation) if member is not type(None))
    return (annotation,)


def _many(annotation: Any) -> bool:
    return _members(annotation) == (list[str],)


def _kind(annotation: Any) -> Any:
    """The option's type; text for what is not simple, which is then read as JSON."""
    members = _members(annotation)
    simple: dict[Any, Any] = {bool: bool, int: int, float: float, UUID: click.UUID}
    if all(typing.get_origin(member) is typing.Literal for member in members):
        return click.Choice([choice for member in members for choice in typing.get_args(member)])
    return simple.get(members[0], str) if len(members) == 1 else str


def _value(annotation: Any, given: Any) -> Any:
    if not isinstance(given, str) or _members(annotation) == (str,):
        return given
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError:
        return given


@click.group(cls=OperationGroup)
def api() -> None:
    """Every operation of the server. Answers are JSON."""
