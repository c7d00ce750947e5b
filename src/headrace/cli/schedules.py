"""`schedule` and `world`."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import click

from headrace import client, errors
from headrace.cli import output, parameters
from headrace.core import schedules as core_schedules
from headrace.wire import flows, operations
from headrace.wire import schedules as wire_schedules

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def describing(command: Decorated) -> Decorated:
    """Adds the options that say when a schedule fires."""
    for option in reversed(
        (
            click.option("--cron", metavar="EXPRESSION", help='A crontab expression: "0 6 * * 1-5".'),
            click.option("--every", metavar="INTERVAL", help="An interval: 30s, 5m, 2h, 1d."),
            click.option("--rrule", metavar="RULE", help="A recurrence rule of RFC 5545: FREQ=MONTHLY;BYDAY=-1FR."),
            click.option("--date", "dates", multiple=True, metavar="TIME", help="A moment; may be repeated."),
            click.option("--timezone", "-z", default="UTC", show_default=True, help="The zone whose clock it follows."),
            click.option("--start", metavar="TIME", help="Nothing before; what intervals and rules are counted from."),
            click.option("--end", metavar="TIME", help="Nothing after."),
            click.option("--parameter", "-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of its runs."),
            click.option("--label", "labels", multiple=True, help="Labels instead of the flow's own."),
            click.option("--priority", type=int, help="Higher ones start first; the flow's where it is not given."),
            click.option("--slots", type=int, help="Slots of each limit that a run takes; the flow's where it is not given."),
            click.option(
                "--catch-up",
                type=click.Choice([policy.value for policy in core_schedules.CatchUp]),
                default="skip",
                show_default=True,
                help="What to do about firings that were missed while no server was there.",
            ),
            click.option("--window", metavar="INTERVAL", help="Catch up only with what is not older than this."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("schedule")
def schedule() -> None:
    """Schedules: when the runs of a flow are made."""


@schedule.command("list")
@click.option("--flow", "-f", help="Only those of PROJECT/FLOW.")
@click.option("--project", help="Only those of this project.")
@output.formatted
def list_(flow: str | None, project: str | None, form: str) -> None:
    """List schedules with their next runs."""
    api = client.Client()
    flow_id = api.find_flow(flow).id if flow else None
    found = list(api.schedules.list(flow_id=flow_id, project=project))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("FLOW", "SCHEDULE", "NEXT RUN", "WHEN", "ID"),
        [
            (
                f"{item.project}/{item.flow}",
                item.name,
                output.ago(item.next_run_at) if item.idle is None else item.idle.code.replace("_", " "),
                item.sentence,
                str(item.id),
            )
            for item in found
        ],
    )


@schedule.command("create")
@click.argument("flow")
@click.option("--name", default="", help="Its name; without one it is called after what it does.")
@describing
@output.formatted
def create(flow: str, name: str, form: str, **described: Any) -> None:
    """Give PROJECT/FLOW a schedule; it survives new versions.

    \b
    headrace schedule create sales/daily --cron "0 6 * * 1-5" -z Europe/Berlin
    headrace schedule create sales/daily --every 15m -p region=north --catch-up latest
    """
    api = client.Client()
    found = api.find_flow(flow)
    wanted = meant(described, parameters.declared(api, found.current_version_id))
    _show(api, api.schedules.create(found.id, wanted, name=name), form)


@schedule.command("show")
@click.argument("schedule")
@output.formatted
def show(schedule: str, form: str) -> None:
    """One schedule, by its id, or by PROJECT/FLOW/NAME: when it fires next, and why it makes no runs."""
    api = client.Client()
    _show(api, find(api, schedule), form)


@schedule.command("pause")
@click.argument("schedule")
def pause(schedule: str) -> None:
    """Pause a schedule: its runs that have not started are removed."""
    api = client.Client()
    after = api.schedules.pause(find(api, schedule).id)
    output.say(f"{after.name} of {after.project}/{after.flow} is paused")


@schedule.command("resume")
@click.argument("schedule")
def resume(schedule: str) -> None:
    """Resume a schedule: it makes runs from now on."""
    api = client.Client()
    after = api.schedules.resume(find(api, schedule).id)
    idle = f", but makes no runs: {after.idle.sentence}" if after.idle else ""
    output.say(
        f"{after.name} of {after.project}/{after.flow} goes on, next {output.ago(after.next_run_at)}{idle}"
    )


@schedule.command("delete")
@click.argument("schedule")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(schedule: str, yes: bool) -> None:
    """Delete a schedule with its runs that have not started."""
    api = client.Client()
    found = find(api, schedule)
    if not yes:
        click.confirm(f"Delete {found.name} of {found.project}/{found.flow}?", abort=True, err=True)
    api.schedules.delete(found.id)
    output.say(f"deleted {found.name}")


@schedule.command("preview")
@click.argument("schedule", required=False)
@click.option("--since", metavar="TIME", help="After this moment instead of now.")
@click.option("--count", "-n", default=10, show_default=True, help="How many firings.")
@describing
@output.formatted
def preview(schedule: str | None, since: str | None, count: int, form: str, **described: Any) -> None:
    """When a schedule fires next: a stored one, or one that the options describe."""
    api = client.Client()
    wanted = find(api, schedule).id if schedule else meant(described, [])
    after = moment("--since", since)
    shown = api.schedules.preview(
        wanted, since=after.astimezone() if after and after.tzinfo is None else after, count=count
    )
    if form == "json":
        output.json(shown)
        return
    click.echo(shown.sentence)
    for firing in shown.firings:
        mark = f"  {click.style(firing.dst.sentence, fg='yellow')}" if firing.dst else ""
        click.echo(f"  {firing.local}{mark}")


@click.group("world", invoke_without_command=True)
@click.pass_context
def world(ctx: click.Context) -> None:
    """Is everything paused? `headrace world pause` and `resume` are for administrators."""
    if ctx.invoked_subcommand is None:
        _say(client.Client().call(operations.read_settings, wire_schedules.ReadSettings()))


@world.command("pause")
@click.option("--reason", default="", help="Why; it is shown to everybody.")
def pause_world(reason: str) -> None:
    """Pause everything: no run is claimed and no schedule makes runs. What runs already goes on."""
    _switch(paused=True, reason=reason)


@world.command("resume")
def resume_world() -> None:
    """Let everything go on. What schedules missed meanwhile is for their catch-up policies to decide."""
    _switch(paused=False, reason="")


def _switch(*, paused: bool, reason: str) -> None:
    request = wire_schedules.UpdateSettings(paused=paused, reason=reason)
    _say(client.Client().call(operations.update_settings, request))


def _say(found: wire_schedules.Settings) -> None:
    why = f": {found.paused_reason}" if found.paused_reason else ""
    by = f"everything is paused since {output.ago(found.paused_at)} by {found.paused_by}{why}"
    click.echo(by if found.paused else "nothing is paused")


def _show(api: client.Client, found: wire_schedules.FlowSchedule, form: str) -> None:
    if form == "json":
        output.json(found)
        return
    last = found.last_catch_up
    facts = [
        ("schedule", f"{found.name}  {found.id}"),
        ("flow", f"{found.project}/{found.flow}"),
        ("origin", found.origin),
        ("when", found.sentence),
        ("idle", found.idle.sentence if found.idle else ""),
        ("next run", output.ago(found.next_run_at) if found.next_run_at else ""),
        ("catch-up", found.schedule.catch_up if found.schedule else ""),
        ("priority", "" if not found.schedule or found.schedule.priority is None else str(found.schedule.priority)),
        ("slots", "" if not found.schedule or found.schedule.slots is None else str(found.schedule.slots)),
        ("missed", f"{last.since:%Y-%m-%d %H:%M} to {last.at:%Y-%m-%d %H:%M} UTC: {last.made} runs made" if last else ""),
        ("changed by", f"{found.updated_by}, {output.ago(found.updated_at)}"),
    ]  # fmt: skip
    for title, text in facts:
        if text:
            click.echo(f"{click.style(title.rjust(10), bold=True)}  {text}")
    if found.idle is None:
        for firing in api.schedules.preview(found.id, count=5).firings:
            click.echo(f"{'':10}  {firing.local}{f'  {firing.dst.sentence}' if firing.dst else ''}")


def find(api: client.Client, text: str) -> wire_schedules.FlowSchedule:
    """A schedule by its id, or by PROJECT/FLOW/NAME; PROJECT/FLOW is enough where it has only one."""
    with contextlib.suppress(ValueError):
        return api.schedules.read(UUID(text))
    project, _, rest = text.partition("/")
    flow, _, name = rest.partition("/")
    if not flow:
        raise errors.Invalid(
            f"{text!r} is neither an id nor PROJECT/FLOW/NAME; `headrace schedule list` shows them"
        )
    found = list(api.schedules.list(flow_id=api.find_flow(f"{project}/{flow}").id))
    named = [item for item in found if not name or item.name == name]
    if len(named) == 1:
        return named[0]
    names = ", ".join(item.name for item in found) or "none"
    raise errors.NotFound(f"{project}/{flow} has no schedule {name!r}; it has: {names}") if name else errors.Invalid(
        f"say which schedule of {project}/{flow}, as {project}/{flow}/NAME; it has: {names}"
    )  # fmt: skip


def meant(described: dict[str, Any], known: Sequence[flows.ParameterSpec]) -> core_schedules.Schedule:
    """The schedule that the options describe."""
    kinds = [name for name in ("cron", "every", "rrule", "dates") if described[name]]
    if len(kinds) != 1:
        raise errors.Invalid("say when it fires, by one of --cron, --every, --rrule and --date")
    window = described["window"]
    shared: dict[str, Any] = {
        "timezone": described["timezone"],
        "parameters": parameters.read(described["given"], known),
        "labels": list(described["labels"]) or None,
        "catch_up": described["catch_up"],
        "priority": described["priority"],
        "slots": described["slots"],
        "window": _interval("--window", window) if window else None,
    }
    if kinds == ["dates"]:
        moments = [moment("--date", text) for text in described["dates"]]
        return core_schedules.dates([moment for moment in moments if moment is not None], **shared)
    shared |= {"start": moment("--start", described["start"]), "end": moment("--end", described["end"])}
    if kinds == ["every"]:
        return core_schedules.every(_interval("--every", described["every"]), **shared)
    if kinds == ["rrule"]:
        return core_schedules.rrule(described["rrule"], **shared)
    return core_schedules.cron(described["cron"], **shared)


def _interval(option: str, text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit():
        raise errors.Invalid(f"{option} {text!r} is no interval: 30s, 5m, 2h, 1d, 1w")
    return timedelta(seconds=int(number) * _UNITS[unit])


def moment(option: str, text: str | None) -> datetime | None:
    """A moment; one without zone is local time of the schedule's zone."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise errors.Invalid(f"{option} {text!r} is no ISO time like 2026-11-22T06:00") from None
