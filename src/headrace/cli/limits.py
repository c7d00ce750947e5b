"""`limits`: how many runs or tasks go on at once, who holds and who waits."""

import click

from headrace import client
from headrace.cli import output
from headrace.core.limits import Kind, WhenFull
from headrace.wire import limits as wire_limits

_KIND = click.Choice([kind.value for kind in Kind])


@click.group(invoke_without_command=True)
@output.formatted
@click.pass_context
def limits(ctx: click.Context, form: str) -> None:
    """List concurrency limits; `headrace limits show KIND WHAT` shows who holds and who waits.

    A limit is of the runs of a flow (PROJECT/FLOW), of the runs with a label, or of the task runs with a tag.
    """
    if ctx.invoked_subcommand:
        return
    found = list(client.Client().limits.list())
    if form == "json":
        output.json(found)
        return
    output.table(
        ("KIND", "OF", "SIZE", "HELD", "WAITING", "WHEN FULL"),
        [
            (limit.kind, limit.what, str(limit.size), str(limit.held), str(limit.waiting), limit.when_full)
            for limit in found
        ],
    )


@limits.command("show")
@click.argument("kind", type=_KIND)
@click.argument("what")
@output.formatted
def show(kind: str, what: str, form: str) -> None:
    """Who holds the slots of a limit, and who waits for one."""
    found = client.Client().limits.read(kind, what)
    if form == "json":
        output.json(found)
        return
    output.say(_words(found.limit))
    output.table(
        ("", "RUN", "FLOW", "TASK", "SLOTS", "SINCE", "ID"),
        [
            *(
                (
                    "holds",
                    holder.flow_run,
                    holder.flow,
                    _task(holder),
                    str(holder.slots),
                    output.ago(holder.since),
                    str(holder.flow_run_id),
                )
                for holder in found.holders
            ),
            *(
                (
                    "waits",
                    waiter.flow_run,
                    waiter.flow,
                    f"{waiter.tasks} tasks" if waiter.tasks else "",
                    "",
                    output.ago(waiter.since),
                    str(waiter.flow_run_id),
                )
                for waiter in found.waiters
            ),
        ],
    )


@limits.command("set")
@click.argument("kind", type=_KIND)
@click.argument("what")
@click.argument("size", type=click.IntRange(0))
@click.option(
    "--when-full",
    type=click.Choice([policy.value for policy in WhenFull]),
    help="What becomes of a flow run that finds it full: it waits (queue), it is cancelled when a schedule made it (skip),"
    " it is cancelled (cancel_new).",
)
@output.formatted
def set_(kind: str, what: str, size: int, when_full: str | None, form: str) -> None:
    """Make a limit or change it. A SIZE of 0 stops all that it is of."""
    made = client.Client().limits.set(kind, what, size, when_full=when_full)
    if form == "json":
        output.json(made)
    else:
        output.say(_words(made))


@limits.command("delete")
@click.argument("kind", type=_KIND)
@click.argument("what")
def delete(kind: str, what: str) -> None:
    """Remove a limit; what waits for it goes on."""
    client.Client().limits.delete(kind, what)
    output.say(f"the {kind} {what} is not limited any more")


def _words(limit: wire_limits.Limit) -> str:
    return f"{limit.kind} {limit.what}: {limit.held} of {limit.size} held, {limit.waiting} waiting ({limit.when_full})"


def _task(holder: wire_limits.SlotHolder) -> str:
    if holder.task is None:
        return ""
    return holder.task if holder.map_index < 0 else f"{holder.task}[{holder.map_index}]"
