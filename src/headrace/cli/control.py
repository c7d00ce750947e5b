"""`pause`, and of `runs`: what is done with one run, or with all that the options find."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import click

from headrace import client
from headrace.cli import output
from headrace.cli import runs as runs_command
from headrace.client.bulk import Which
from headrace.core import states
from headrace.wire import control

Command = Callable[..., Any]

#: The group with what is added to it here.
runs = runs_command.runs
_VERDICTS = {verdict.lower(): verdict for verdict in get_args(control.Verdict)}


def _many(command: Command) -> Command:
    """Adds the options that say which runs, `--yes` and `-o`."""
    moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--until", type=moment, help="Only those made before then (UTC)."),
        click.option("--since", type=moment, help="Only those made since then (UTC)."),
        click.option("--search", help="Only those whose name contains this."),
        click.option(
            "--code", "codes", multiple=True, help="Only those that ended for this reason, like task_failed."
        ),
        click.option(
            "--state", "-s", "wanted", multiple=True, help="Only those in this state; Late counts too."
        ),
        click.option("--project", help="Only those of this project."),
        click.option("--flow", "-f", help="Only those of PROJECT/FLOW."),
    ):
        command = option(command)
    return output.formatted(command)


def _which(given: dict[str, Any]) -> Which:
    since: datetime | None = output.utc(given["since"])
    until: datetime | None = output.utc(given["until"])
    return Which(
        flow=given["flow"],
        project=given["project"],
        state=list(given["wanted"]),
        reason=list(given["codes"]),
        search=given["search"],
        since=since,
        until=until,
    )


@click.command()
@click.argument("run")
@click.option("--comment", default="", help="Why; it is shown with the run.")
@click.option("--for", "seconds", type=float, metavar="SECONDS", help="After this time it fails.")
def pause(run: str, comment: str, seconds: float | None) -> None:
    """Pause a run when its running tasks have ended; `headrace resume` lets it go on."""
    api = client.Client()
    found = api.pause_flow_run(runs_command.find(api, run).id, comment, seconds=seconds)
    output.say(
        f"{found.name} is {found.state.name}{', and pauses after its running tasks' if found.pausing else ''}"
    )


runs.add_command(pause)


@runs.command("cancel")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why; it is shown with each run.")
@_many
def cancel(run: str | None, reason: str, yes: bool, form: str, **given: Any) -> int:
    """Cancel a RUN, or all that the options find and that have not ended."""
    if run is not None:
        return _one(run, lambda api, id_: api.cancel_flow_run(id_, reason))
    return _all("cancel", yes, form, given, lambda bulk, which: bulk.cancel(reason, **which))


@runs.command("approve")
@click.argument("run", required=False)
@click.option("--comment", default="", help="It is shown with each run.")
@_many
def approve(run: str | None, comment: str, yes: bool, form: str, **given: Any) -> int:
    """Approve a paused RUN, or all that the options find: they go on."""
    if run is not None:
        return _one(run, lambda api, id_: api.resume_flow_run(id_, comment))
    return _all("resume", yes, form, given, lambda bulk, which: bulk.resume(comment, **which))


@runs.command("reject")
@click.argument("run", required=False)
@click.option("--comment", default="", help="Why; it is shown with each run.")
@_many
def reject(run: str | None, comment: str, yes: bool, form: str, **given: Any) -> int:
    """Reject a paused RUN, or all that the options find: they end as Cancelled."""
    if run is not None:
        return _one(run, lambda api, id_: api.reject_flow_run(id_, comment))
    return _all("reject", yes, form, given, lambda bulk, which: bulk.reject(comment, **which))


@runs.command("mark")
@click.argument("words", nargs=-1, required=True, metavar="[RUN] success|failed")
@click.option("--reason", required=True, help="Why; it is shown with each run.")
@_many
def mark(words: tuple[str, ...], reason: str, yes: bool, form: str, **given: Any) -> int:
    """Overrule a RUN, or all that the options find. One that has not ended ends so."""
    verdict = _VERDICTS.get(words[-1].lower())
    if verdict is None or len(words) > 2:
        raise click.UsageError(f"say [RUN] and {' or '.join(_VERDICTS)}")
    as_: control.Verdict = verdict
    if len(words) == 2:
        return _one(words[0], lambda api, id_: api.mark_flow_run(id_, as_, reason))
    return _all("mark", yes, form, given, lambda bulk, which: bulk.mark(as_, reason, **which))


@runs.command("rerun")
@_many
def rerun(yes: bool, form: str, **given: Any) -> int:
    """Run again all that the options find and that failed, crashed or were cancelled."""
    return _all("rerun", yes, form, given, lambda bulk, which: bulk.rerun(**which))


@runs.command("delete")
@click.argument("run", required=False)
@_many
def delete(run: str | None, yes: bool, form: str, **given: Any) -> int:
    """Delete a finished RUN, or all that the options find, with all that was recorded."""
    if run is None:
        return _all("delete", yes, form, given, lambda bulk, which: bulk.delete(**which))
    api = client.Client()
    found = runs_command.find(api, run)
    if not yes:
        click.confirm(
            f"Delete {found.name} ({found.state.name}) with its history and logs?", abort=True, err=True
        )
    api.delete_flow_run(found.id)
    output.say(f"{found.name} is deleted")
    return 0


def _one(run: str, act: Callable[[client.Client, Any], Any]) -> int:
    api = client.Client()
    after = act(api, runs_command.find(api, run).id)
    marked = f", marked as {after.mark.type}" if after.mark else ""
    output.say(f"{after.name} is {after.state.name}{marked}")
    return 0


def _all(
    action: control.Action,
    yes: bool,
    form: str,
    given: dict[str, Any],
    act: Callable[[Any, Which], control.BulkDone],
) -> int:
    """Says with how many it would be done, asks, and does it. The exit status is 1 when it could not be done with some."""
    bulk, which = client.Client().bulk, _which(given)
    if not any(which.values()):
        raise click.UsageError(
            "name a RUN, or say which: --flow, --project, --state, --code, --search, --since, --until"
        )
    would = bulk.count(action, **which)
    if not would.matched:
        output.say(f"there is no run to {action}")
        return 0
    if not yes:
        by_state = ", ".join(f"{count} {state}" for state, count in _ordered(would.states))
        click.confirm(f"{action} {would.matched} runs ({by_state})?", abort=True, err=True)
    done = act(bulk, which)
    if form == "json":
        output.json(done)
    else:
        for problem in done.failed:
            output.say(f"{problem.name}: {problem.reason}")
        output.say(f"{action}: done with {done.done} of {done.matched} runs")
    return 1 if done.failed else 0


def _ordered(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(kind, counts[kind]) for kind in states.StateType if kind in counts]
