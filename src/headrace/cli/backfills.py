"""`backfill`: past firings of a schedule, run as one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from headrace import client, errors
from headrace.cli import output, parameters, schedules
from headrace.core import schedules as core_schedules
from headrace.wire import backfills as wire


@click.group()
def backfill() -> None:
    """Run the past firings of a schedule, so many at a time."""


@backfill.command()
@click.argument("schedule", metavar="SCHEDULE|PROJECT/FLOW")
@click.option(
    "--since", required=True, metavar="TIME", help="From this moment on; UTC where it names no zone."
)
@click.option("--until", metavar="TIME", help="Up to this moment; now, where it is not given.")
@click.option("--parallel", default=1, show_default=True, help="How many runs are unfinished at a time.")
@click.option("--newest-first", is_flag=True, help="Begin with the last firing.")
@click.option(
    "--skip",
    type=click.Choice(["succeeded", "any", "none"]),
    default="succeeded",
    show_default=True,
    help="Leave out firings whose run has succeeded, that have any run, or none.",
)
@click.option("--dry-run", is_flag=True, help="Say what would run, and make nothing.")
@schedules.describing
@output.formatted
def create(
    schedule: str,
    since: str,
    until: str | None,
    parallel: int,
    newest_first: bool,
    skip: Any,
    dry_run: bool,
    form: str,
    **described: Any,
) -> None:
    """Run the firings of a stored SCHEDULE (its id, or PROJECT/FLOW/NAME) in a period.

    With --cron, --every, --rrule or --date those of that schedule, for PROJECT/FLOW.
    """
    api = client.Client()
    wanted, flow = _wanted(api, schedule, described)
    period = _utc("--since", since), datetime.now(UTC) if until is None else _utc("--until", until)
    if dry_run:
        plan = api.backfills.plan(wanted, *period, flow=flow, newest_first=newest_first, skip=skip)
        _say_plan(plan, form)
        return
    made = api.backfills.create(
        wanted, *period, flow=flow, parallel=parallel, newest_first=newest_first, skip=skip
    )
    if form == "json":
        output.json(made)
    else:
        output.say(
            f"backfill {made.id}: {made.total} runs, {made.parallel} at a time, {made.skipped} left out"
        )


def _wanted(
    api: client.Client, schedule: str, described: dict[str, Any]
) -> tuple[UUID | core_schedules.Schedule, str | None]:
    """A stored schedule's id, or one that is described here with the flow that it is for."""
    if not any(described[name] for name in ("cron", "every", "rrule", "dates")):
        return schedules.find(api, schedule).id, None
    known = parameters.declared(api, api.find_flow(schedule).current_version_id)
    return schedules.meant(described, known), schedule


def _utc(option: str, text: str) -> datetime:
    typed = schedules.moment(option, text)
    if typed is None:
        raise errors.Invalid(f"{option} needs a time")
    return typed if typed.tzinfo is not None else typed.replace(tzinfo=UTC)


def _say_plan(plan: wire.BackfillPlan, form: str) -> None:
    if form == "json":
        output.json(plan)
        return
    rows = [
        (
            f"{firing.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            ", ".join(f"{name}={value}" for name, value in firing.parameters.items()),
            firing.dst.sentence if firing.dst else "",
        )
        for firing in plan.first
    ]
    output.table(("AT (UTC)", "PARAMETERS", "NOTE"), rows)
    more = f", the first {len(rows)} of them above" if plan.total > len(rows) else ""
    output.say(f"{plan.total} runs{more}; {plan.skipped} firings left out")


@backfill.command("list")
@click.option("--flow", "-f", help="Only those of PROJECT/FLOW.")
@output.formatted
def list_(flow: str | None, form: str) -> None:
    """List backfills, newest first."""
    found = list(client.Client().backfills.list(flow=flow))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("ID", "FLOW", "FROM", "TO", "STATUS", "RUNS"),
        [
            (
                str(one.id),
                f"{one.project}/{one.flow}",
                f"{one.since:%Y-%m-%d %H:%M}",
                f"{one.until:%Y-%m-%d %H:%M}",
                one.status,
                _counted(one),
            )
            for one in found
        ],
    )


def _counted(one: wire.Backfill) -> str:
    ended = ", ".join(f"{count} {state}" for state, count in sorted(one.runs.items()))
    return f"{sum(one.runs.values())} of {one.total}" + (f" ({ended})" if ended else "")


@backfill.command()
@click.argument("backfill_id", type=click.UUID)
@output.formatted
def show(backfill_id: UUID, form: str) -> None:
    """Show one, with its runs counted by state."""
    found = client.Client().backfills.read(backfill_id)
    if form == "json":
        output.json(found)
        return
    facts = {
        "backfill": str(found.id),
        "flow": f"{found.project}/{found.flow}",
        "period": f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC",
        "status": found.status + (f": {found.problem}" if found.problem else ""),
        "runs": _counted(found),
        "parallel": str(found.parallel),
        "by": found.created_by,
    }
    output.table(("", ""), list(facts.items()))


@backfill.command()
@click.argument("backfill_id", type=click.UUID)
def cancel(backfill_id: UUID) -> None:
    """Make no more runs, and cancel those that have not ended."""
    found = client.Client().backfills.cancel(backfill_id)
    output.say(f"backfill {found.id} is {found.status}: {_counted(found)}")
