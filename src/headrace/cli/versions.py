"""`flow`: one flow's settings and versions; archive and delete it."""

from typing import Any

import click

from headrace import client
from headrace.cli import output
from headrace.wire import flows, operations
from headrace.wire import versions as wire

_named = click.argument("flow_name", metavar="PROJECT/FLOW")


@click.group()
def flow() -> None:
    """One flow: its versions, what changed between them, archive and deletion."""


@flow.command()
@_named
@output.formatted
def show(flow_name: str, form: str) -> None:
    """Show a flow with its settings."""
    found = client.Client().find_flow(flow_name)
    if form == "json":
        output.json(found)
        return
    rate = (
        "–"
        if found.success_rate is None
        else f"{found.success_rate:.0%} of the last {len(found.last_runs)} runs"
    )
    facts = {
        "flow": f"{found.project}/{found.name}",
        "description": found.description or "–",
        "version": f"{found.current_version} of {found.versions}",
        "labels": ", ".join(found.labels) or "–",
        "paused": "yes" if found.paused else "no",
        "archived": "yes" if found.archived_at else "no",
        "priority": str(found.priority),
        "late after": _length(found.late_after_seconds, "the usual time"),
        "cancelled when late for": _length(found.cancel_late_seconds, "never"),
        "success": rate,
        "next run": f"{found.next_run_at:%Y-%m-%d %H:%M:%S} UTC" if found.next_run_at else "–",
    }
    output.table(("", ""), list(facts.items()))


@flow.command("set")
@_named
@click.option("--paused/--resumed", default=None, help="Whether its runs start.")
@click.option("--priority", type=int, help="Of its runs, from -10 to 10.")
@click.option("--slots", type=int, help="How many slots its runs take of each limit.")
@click.option(
    "--late-after",
    "late_after_seconds",
    type=float,
    metavar="SECONDS",
    help="When a run that is due counts as late.",
)
@click.option(
    "--cancel-late",
    "cancel_late_seconds",
    type=float,
    metavar="SECONDS",
    help="When a run that has not started is cancelled.",
)
@click.option(
    "--lost-after",
    "lost_after_seconds",
    type=float,
    metavar="SECONDS",
    help="When a run without contact is lost.",
)
def set_(flow_name: str, **settings: Any) -> None:
    """Change settings that survive new versions. Of the times 0 goes back to what holds without them."""
    api = client.Client()
    request = flows.UpdateFlow(flow_id=api.find_flow(flow_name).id, **settings)
    found = api.call(operations.update_flow, request)
    output.say(f"{found.project}/{found.name} is set")


@flow.command("versions")
@_named
@output.formatted
def list_versions(flow_name: str, form: str) -> None:
    """List a flow's versions, newest first."""
    found = list(client.Client().versions.list(flow_name))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("VERSION", "CURRENT", "TASKS", "MADE", "BY", "CODE"),
        [
            (
                str(version.number),
                "current" if version.current else "",
                str(version.tasks),
                output.ago(version.created_at),
                version.created_by,
                version.code_sha256[:12],
            )
            for version in found
        ],
    )


@flow.command()
@_named
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@output.formatted
def diff(flow_name: str, before: int | None, after: int | None, form: str) -> None:
    """Show what differs between two versions: BEFORE and AFTER, or the current one and the one before it."""
    found = client.Client().versions.compare(flow_name, before, after)
    if form == "json":
        output.json(found)
        return
    click.echo(f"{flow_name}: version {found.before.number} → {found.after.number}: {found.summary}")
    for change in found.changes:
        click.echo(
            click.style(f"{_SIGNS[change.how]} {change.what} {change.name}".rstrip(), fg=_COLOURS[change.how])
        )
        for field in change.fields:
            click.echo(f"    {field.name}: {_shown(field.before)} → {_shown(field.after)}")


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)


@flow.command()
@_named
@click.argument("number", metavar="VERSION", type=int)
def current(flow_name: str, number: int) -> None:
    """Make a version the one that runs use from now on."""
    client.Client().versions.make_current(flow_name, number)
    output.say(f"version {number} of {flow_name} is current")


@flow.command()
@_named
def archive(flow_name: str) -> None:
    """Hide a flow and stop its schedules; its history stays."""
    client.Client().archive_flow(flow_name)
    output.say(f"{flow_name} is archived; `headrace flow unarchive {flow_name}` brings it back")


@flow.command()
@_named
def unarchive(flow_name: str) -> None:
    """Bring an archived flow back."""
    client.Client().archive_flow(flow_name, archived=False)
    output.say(f"{flow_name} is back")


@flow.command()
@_named
@click.option("--version", "number", type=int, help="Only this version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(flow_name: str, number: int | None, yes: bool) -> None:
    """Delete a flow, or one of its versions; what goes is said first, and history stays until retention."""
    api = client.Client()
    gone = api.versions.preview_deletion(flow_name, number)
    output.say(_words(gone))
    if not yes:
        click.confirm(f"Delete {gone.confirm}?", abort=True, err=True)
    if number is None:
        api.delete_flow(flow_name, confirm=gone.confirm)
    else:
        api.versions.delete(flow_name, number, confirm=gone.confirm)
    output.say(f"deleted {gone.confirm}")


def _words(gone: wire.Deletion) -> str:
    return (
        f"{gone.confirm}: {gone.versions} version{'s' if gone.versions != 1 else ''} and {gone.schedules} schedules go;"
        f" {gone.waiting} waiting runs end, {gone.running} running ones are told to stop;"
        f" the history of {gone.kept} runs stays until retention removes it"
    )


def _length(seconds: float | None, otherwise: str) -> str:
    return otherwise if seconds is None else output.length(seconds)
