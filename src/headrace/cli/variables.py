"""`variable`: named values that flows read."""

from typing import Any

import click
import msgspec

from headrace import client
from headrace.cli import output, runs
from headrace.wire import variables as wire

_project = click.option("--project", default="", help="Of this project, instead of all projects.")
_expected = click.option(
    "--expect-version",
    "expected",
    type=int,
    help="Refuse where it has another version by now; 0: where it exists.",
)


@click.group()
def variable() -> None:
    """Named values that flows read and people edit. Never secrets: everybody who may sign in reads them."""


@variable.command("list")
@click.option("--project", help="Those that runs of this project see.")
@click.option("--search", "-s", help="Only names with this in them.")
@output.formatted
def list_(project: str | None, search: str | None, form: str) -> None:
    """List variables."""
    found = list(client.Client().variables.list(project=project, search=search))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("NAME", "VALUE", "PROJECT", "VERSION", "CHANGED", "BY"),
        [
            (
                each.name,
                _short(each.value),
                each.project,
                str(each.version),
                output.ago(each.updated_at),
                each.updated_by,
            )
            for each in found
        ],
    )


@variable.command("get")
@click.argument("name")
@click.option("--project", default="", help="As runs of this project see it.")
@output.formatted
def get(name: str, project: str, form: str) -> None:
    """Print a variable's value: a text as it is, anything else as JSON."""
    found = client.Client().variables.read(name, project=project)
    if form == "json":
        output.json(found)
    else:
        click.echo(found.value if isinstance(found.value, str) else _json(found.value))


@variable.command("set")
@click.argument("name")
@click.argument("value")
@click.option("--text", is_flag=True, help="Take VALUE as it is typed, also where it is JSON.")
@click.option("--description", help="What it is for.")
@_project
@_expected
@output.formatted
def set_(
    name: str, value: str, text: bool, description: str | None, project: str, expected: int | None, form: str
) -> None:
    """Make a variable, or give it another value. VALUE is JSON where it is JSON, else a text.

    \b
    headrace variable set region eu-central
    headrace variable set limits '{"rows": 1000}' --project sales
    """
    made = client.Client().variables.set(
        name,
        value if text else _typed(value),
        project=project,
        description=description,
        expected_version=expected,
    )
    if made.warning:
        output.say(f"warning: {made.warning}")
    if form == "json":
        output.json(made)
    else:
        output.say(f"{_words(made)} is {_short(made.value)} (version {made.version})")


@variable.command("delete")
@click.argument("name")
@_project
@_expected
def delete(name: str, project: str, expected: int | None) -> None:
    """Take a variable away. Its history stays."""
    client.Client().variables.delete(name, project=project, expected_version=expected)
    output.say(f"{name}{f' of {project}' if project else ''} is deleted")


@variable.command()
@click.argument("name")
@_project
@output.formatted
def history(name: str, project: str, form: str) -> None:
    """What a variable was, when, and who made it that; newest first, also after its deletion."""
    found = list(client.Client().variables.history(name, project=project))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("VERSION", "VALUE", "WHEN (UTC)", "BY"),
        [
            (
                str(each.version),
                "(deleted)" if each.deleted else _short(each.value),
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.by,
            )
            for each in found
        ],
    )


@variable.command("read-by")
@click.argument("run")
@output.formatted
def read_by(run: str, form: str) -> None:
    """Which versions of which variables a run has read."""
    api = client.Client()
    found = list(api.variables.read_by(runs.find(api, run).id))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("NAME", "VERSION", "VALUE", "PROJECT", "FIRST READ"),
        [
            (
                each.name,
                str(each.version) if each.version else "none",
                _short(each.value) if each.version else "",
                each.project,
                output.ago(each.at),
            )
            for each in found
        ],
    )


def _typed(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _short(value: Any) -> str:
    text = _json(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _words(made: wire.Variable) -> str:
    return f"{made.name} of {made.project}" if made.project else made.name
