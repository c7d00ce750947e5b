"""`audit`: who did what, when."""

import itertools
import sys
from datetime import datetime

import click

from headrace import client
from headrace.cli import output
from headrace.wire import audit as wire
from headrace.wire import operations


@click.group()
def audit() -> None:
    """Who did what, when. For administrators."""


@audit.command("list")
@click.option("--by", "actor", help="Only what this person or account did; a part of the name will do.")
@click.option("--operation", help="Only this operation, like update-flow.")
@click.option("--object", "object_id", help="Only what was done to the object with this id.")
@click.option("--since", type=click.DateTime(), help="Not earlier, in UTC.")
@click.option("--until", type=click.DateTime(), help="Earlier, in UTC.")
@click.option("--search", "-s", help="Only entries with this in the object's name or the details.")
@click.option("--limit", default=50, show_default=True, help="How many, at most.")
@output.formatted
def list_(
    actor: str | None,
    operation: str | None,
    object_id: str | None,
    since: datetime | None,
    until: datetime | None,
    search: str | None,
    limit: int,
    form: str,
) -> None:
    """List what was done, newest first."""
    listed = client.Client().audit.list(
        actor=actor,
        operation=operation,
        object_id=object_id,
        since=output.utc(since),
        until=output.utc(until),
        search=search,
    )
    found = list(itertools.islice(listed, limit))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("WHEN (UTC)", "WHO", "DID", "TO", "FROM"),
        [
            (
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.actor_name,
                entry.operation,
                f"{entry.object_kind} {entry.object_name or entry.object_id}".strip(),
                entry.address,
            )
            for entry in found
        ],
    )


@audit.command()
@output.formatted
def verify(form: str) -> int:
    """Check that every entry is what it was when it was sealed. Exit status 1 when one is not."""
    found = client.Client().audit.verify()
    if form == "json":
        output.json(found)
    elif found.problem:
        output.say(f"the audit log is broken: {found.problem}")
    else:
        output.say(
            f"{found.entries} entries are whole; {found.unsealed} are not sealed yet; the last digest is {found.last_sha256 or '–'}"
        )
    return 1 if found.problem else 0


@audit.command()
def download() -> None:
    """Write the whole log to the standard output, one JSON object a line, oldest first."""
    for chunk in client.Client().stream(operations.download_audit, wire.DownloadAudit()):
        sys.stdout.buffer.write(chunk)
