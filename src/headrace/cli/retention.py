"""`retention`: how long history is kept, and removing what the rules let go."""

import collections

import click

from headrace import client, errors
from headrace.cli import output
from headrace.wire import operations
from headrace.wire import retention as wire

_UNITS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@click.group()
def retention() -> None:
    """How long finished runs, logs and other history are kept."""


@retention.command("show")
@click.option("--flow", help="The rules that hold for this flow (PROJECT/FLOW).")
@output.formatted
def show(flow: str | None, form: str) -> None:
    """Show the rules, the flows that have their own, and what was removed last."""
    api = client.Client()
    found = api.call(
        operations.read_retention, wire.ReadRetention(flow_id=api.find_flow(flow).id if flow else None)
    )
    if form == "json":
        output.json(found)
        return
    output.table(
        ("KIND", "KEPT", "RULE OF", "WHAT"),
        [(limit.kind, _kept(limit.seconds, limit.runs), limit.origin, limit.what) for limit in found.limits],
    )
    for rule in found.overrides:
        output.say(f"{rule.project}/{rule.flow}: {rule.kind} {_kept(rule.seconds, rule.runs)}")
    for done in found.rounds[:1]:
        output.say(f"last removed, {output.ago(done.ended_at)}: {_counted(done.removed)}")


@retention.command("set")
@click.argument("kind")
@click.option("--keep", help="For how long: 12h, 30d, 8w, or forever.")
@click.option("--last", type=click.IntRange(min=0), help="Of how many runs of each flow, at most.")
@click.option("--flow", help="For this flow only (PROJECT/FLOW).")
@click.option("--reset", is_flag=True, help="Back to the installation's rule, or to the default.")
def set_(kind: str, keep: str | None, last: int | None, flow: str | None, reset: bool) -> None:
    """Set how long KIND is kept: flow_runs, logs, task_run_states or requests (`retention show` lists them).

    \b
    headrace retention set flow_runs --keep 90d --last 1000
    headrace retention set logs --keep 14d --flow sales/daily
    headrace retention set flow_runs --keep forever --flow sales/yearly
    """
    api = client.Client()
    flow_id = api.find_flow(flow).id if flow else None
    if reset:
        found = api.call(operations.reset_retention, wire.ResetRetention(kind=kind, flow_id=flow_id))
    elif keep is None and last is None:
        raise click.UsageError("say how long: --keep 30d, --last 100, both, or --keep forever")
    else:
        request = wire.SetRetention(kind=kind, flow_id=flow_id, seconds=_seconds(keep), runs=last)
        found = api.call(operations.set_retention, request)
    limit = next(limit for limit in found.limits if limit.kind == kind)
    output.say(f"{limit.what}: {_kept(limit.seconds, limit.runs)}")


@retention.command("run")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@output.formatted
def run(dry_run: bool, form: str) -> None:
    """Remove now what the rules let go, instead of within the hour."""
    api = client.Client()
    if dry_run:
        would = api.call(operations.preview_retention, wire.PreviewRetention()).would_remove
        output.json(would) if form == "json" else output.say(f"would remove: {_counted(would)}")
        return
    removed: collections.Counter[str] = collections.Counter()
    while True:
        done = api.call(operations.run_retention, wire.RunRetention(seconds=10.0), timeout=60)
        removed.update(done.removed)
        if done.complete:
            break
        output.say(f"removed so far: {_counted(removed)}")
    output.json(dict(removed)) if form == "json" else output.say(f"removed: {_counted(removed)}")


def _seconds(text: str | None) -> float | None:
    if text is None or text == "forever":
        return None
    if text[-1:] in _UNITS and text[:-1].replace(".", "", 1).isdigit():
        return float(text[:-1]) * _UNITS[text[-1]]
    raise errors.Invalid(f"--keep {text!r} is no time to keep: 12h, 30d, 8w, or forever")


def _kept(seconds: float | None, runs: int | None) -> str:
    """A rule in words."""
    parts = [] if seconds is None else [f"{output.length(seconds)}"]
    parts += [] if runs is None else [f"the last {runs} runs of each flow"]
    return " and at most ".join(parts) or "for ever"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {table}" for table, count in sorted(counts.items())) or "nothing"
