"""`artifacts`: what the tasks of runs have shown."""

import itertools
import sys
from pathlib import Path
from uuid import UUID

import click

from headrace import client, errors
from headrace.cli import output, runs
from headrace.wire import artifacts as wire


@click.group()
def artifacts() -> None:
    """What tasks have shown: markdown, tables, links, images, progress."""


@artifacts.command("list")
@click.argument("of", metavar="RUN|PROJECT/FLOW")
@click.option("--key", "-k", help="Only the versions of this key.")
@click.option("--task", "-t", help="Only what this task has shown.")
@click.option("--latest", is_flag=True, help="Of each key only the last version.")
@click.option("--limit", default=50, show_default=True, help="How many, at most.")
@output.formatted
def list_(of: str, key: str | None, task: str | None, latest: bool, limit: int, form: str) -> None:
    """List what a run has shown, or a flow over all its runs, newest first."""
    api = client.Client()
    flow_id = api.find_flow(of).id if "/" in of else None
    run_id = None if flow_id else runs.find(api, of).id
    listed = api.artifacts.list(flow_run_id=run_id, flow_id=flow_id, key=key, task=task, latest=latest)
    found = list(itertools.islice(listed, limit))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("KIND", "KEY", "SAYS", "TASK", "RUN", "MADE", "ID"),
        [
            (
                each.kind,
                f"{each.key} v{each.version}" if each.key else "",
                _says(each),
                each.task or "",
                each.flow_run,
                output.ago(each.created_at),
                str(each.id),
            )
            for each in found
        ],
    )


@artifacts.command()
@click.argument("artifact")
@output.formatted
def show(artifact: str, form: str) -> None:
    """Print one artifact by its id: a text as it is, a table as columns."""
    found = client.Client().artifacts.read(_id(artifact))
    if form == "json":
        output.json(found)
        return
    output.say(
        f"{found.kind} {found.key or found.title or found.id} of {found.project}/{found.flow} {found.flow_run}"
    )
    match found.body:
        case wire.Markdown(text=text):
            click.echo(text)
        case wire.Table(columns=columns, rows=rows):
            output.table(columns, [["" if cell is None else str(cell) for cell in row] for row in rows])
        case wire.Image():
            output.say(f"an image of {found.size} bytes: headrace artifacts download {found.id} FILE")
        case _:
            click.echo(_says(found))


@artifacts.command()
@click.argument("artifact")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def download(artifact: str, file: Path | None) -> None:
    """Write an image, a text or a table (as CSV) to FILE, or to the standard output."""
    pieces = client.Client().artifacts.download(_id(artifact))
    first = next(pieces, b"")  # what is refused is refused before the file is made
    if file is None:
        for piece in (first, *pieces):
            sys.stdout.buffer.write(piece)
        return
    with file.open("wb") as written:
        for piece in (first, *pieces):
            written.write(piece)
    output.say(f"written to {file}")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise errors.Invalid(
            f"{text!r} is not the id of an artifact; `headrace artifacts list RUN` shows them"
        ) from None


def _says(found: wire.Artifact) -> str:
    """One line of it."""
    match found.body:
        case wire.Markdown(text=text):
            return found.title or next((line.strip() for line in text.splitlines() if line.strip()), "")[:60]
        case wire.Table(columns=columns, rows=rows):
            return f"{len(rows)} rows of {', '.join(columns)}"[:60]
        case wire.Link(url=url, text=text):
            return f"{text} {url}".strip()
        case wire.Image(alt=alt):
            return found.title or alt
        case wire.Progress(share=share, text=text):
            return f"{'' if share is None else f'{share:.0%} '}{text}".strip()
        case None:
            return f"{found.title} ({found.size} bytes)".strip()
