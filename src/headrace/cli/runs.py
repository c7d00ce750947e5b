"""`run`, `runs`, `logs`, `cancel`, `resume` and `rerun`."""

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import msgspec

from headrace import client, errors, settings
from headrace.cli import output, parameters
from headrace.core import reasons, states
from headrace.wire import flows, operations, restarts, run_configs
from headrace.wire import logs as wire_logs
from headrace.wire import runs as wire_runs

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@click.command()
@click.argument("flow")
@click.option(
    "--parameter",
    "-p",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; JSON where its type is not text.",
)
@click.option(
    "--param-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameters from a JSON file.",
)
@click.option("--version", type=int, help="This version instead of the current one.")
@click.option("--name", help="The run's name.")
@click.option("--at", help="When: an ISO time, or +10m, +2h, +1d.")
@click.option("--label", "labels", multiple=True, help="Labels instead of the flow's own.")
@click.option("--run-config", help="A run config as JSON instead of the flow's own.")
@click.option(
    "--log-level", default="INFO", type=click.Choice([name.upper() for name in _LEVELS], case_sensitive=False)
)
@click.option("--idempotency-key", help="The same key gives the same run.")
@click.option("--priority", type=int, help="From -10 to 10; runs of a higher one go first.")
@click.option("--slots", type=int, help="How many slots it takes of each limit that it is under.")
@click.option(
    "--watch",
    "-w",
    is_flag=True,
    help="Follow its logs to its end; the exit status is then 1 if it does not succeed.",
)
@output.formatted
def run(
    flow: str, given: tuple[str, ...], param_file: Path | None, watch: bool, form: str, **options: Any
) -> int:
    """Ask for a run of PROJECT/FLOW."""
    api = client.Client()
    project, name = _names(flow)
    found = api.call(operations.find_flow, flows.FindFlow(project=project, flow=name))
    values = _from_file(param_file) if param_file else {}
    if given:
        values |= parameters.read(given, parameters.declared(api, found.current_version_id))
    config = options["run_config"]
    made = api.call(
        operations.create_flow_run,
        wire_runs.CreateFlowRun(
            flow_id=found.id,
            version=options["version"],
            parameters=values,
            name=options["name"],
            due_at=_time("--at", options["at"]) if options["at"] else None,
            labels=list(options["labels"]) or None,
            run_config=_config(config) if config else None,
            log_level=options["log_level"].upper(),
            idempotency_key=options["idempotency_key"],
            priority=options["priority"],
            slots=options["slots"],
        ),
    )
    if form == "json":
        output.json(made)
    else:
        click.echo(f"{made.name}  {settings.load().server_url.rstrip('/')}/flow-runs/{made.id}")
        if made.waits:
            output.say(made.waits.sentence)
    return _watch(api, made.id) if watch else 0


@click.group(invoke_without_command=True)
@click.option("--flow", "-f", help="Only those of PROJECT/FLOW.")
@click.option("--project", help="Only those of this project.")
@click.option(
    "--state", "-s", "wanted", multiple=True, help="Only those in this state; Late and Unreachable count too."
)
@click.option(
    "--reason", "codes", multiple=True, help="Only those that ended for this reason, like task_failed."
)
@click.option("--limit", "-l", default=20, show_default=True)
@output.formatted
@click.pass_context
def runs(
    ctx: click.Context,
    flow: str | None,
    project: str | None,
    wanted: tuple[str, ...],
    codes: tuple[str, ...],
    limit: int,
    form: str,
) -> None:
    """List flow runs, newest first; `headrace runs show RUN` shows one."""
    if ctx.invoked_subcommand:
        return
    api = client.Client()
    flow_id: UUID | None = None
    if flow:
        in_project, name = _names(flow)
        flow_id = api.call(operations.find_flow, flows.FindFlow(project=in_project, flow=name)).id
    request = wire_runs.ListFlowRuns(
        project=project, flow_id=flow_id, state=list(wanted), reason=list(codes), limit=limit
    )
    found = api.call(operations.list_flow_runs, request).items
    if form == "json":
        output.json(found)
        return
    output.table(
        ("RUN", "FLOW", "STATE", "STARTED", "TOOK", "ID"),
        [
            (
                run.name,
                f"{run.project}/{run.flow}",
                output.state(run.state),
                output.ago(run.started_at),
                _took(run),
                str(run.id),
            )
            for run in found
        ],
    )


@runs.command("show")
@click.argument("run")
@output.formatted
def show(run: str, form: str) -> None:
    """One run: its state, why it waits, its tasks."""
    api = client.Client()
    found = find(api, run)
    if form == "json":
        output.json(found)
        return
    facts = [
        ("run", f"{found.name}  {found.id}"),
        ("flow", f"{found.project}/{found.flow} version {found.version}"),
        ("state", f"{output.state(found.state)}  {found.state.message}".rstrip()),
        ("marked", f"{found.mark.type} by {found.mark.by}: {found.mark.reason}" if found.mark else ""),
        ("pauses", "after its running tasks" if found.pausing else ""),
        ("until", f"{found.pause_ends_at:%Y-%m-%d %H:%M:%S} UTC" if found.pause_ends_at else ""),
        ("waits", f"{found.waits.sentence} ({found.waits.code})" if found.waits else ""),
        ("reason", _advice(found.state.code)),
        ("parameters", msgspec.json.encode(found.parameters).decode() if found.parameters else ""),
        ("re-run of", str(found.restarted_from or "")),
        ("made by", f"{found.created_by.name}, {output.ago(found.created_at)}"),
        ("agent", f"{found.agent} on {found.host or '…'}" if found.agent else ""),
        ("took", _took(found)),
        ("tasks", ", ".join(f"{count} {state}" for state, count in found.task_states.items())),
    ]
    for title, text in facts:
        if text:
            click.echo(f"{click.style(title.rjust(10), bold=True)}  {text}")


def _advice(code: str) -> str:
    """A state's code, and what can be done about it."""
    known = reasons.BY_NAME.get(code)
    return f"{code}: {known.advice}" if known is not None and known.advice else code


@click.command()
@click.argument("run")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@click.option(
    "--level",
    default="debug",
    type=click.Choice(list(_LEVELS), case_sensitive=False),
    help="The lowest level shown.",
)
@click.option("--search", "-s", help="Only messages that contain this.")
@click.option("--task", help="Only those of this task.")
@click.option(
    "--format", "download", type=click.Choice(["text", "csv", "ndjson"]), help="The whole log in this form."
)
@click.option("--since", metavar="TIME", help="Not what was logged before: an ISO time, or -10m, -2h, -1d.")
@click.option("--until", metavar="TIME", help="Not what was logged after.")
def logs(
    run: str,
    follow: bool,
    level: str,
    search: str | None,
    task: str | None,
    download: str | None,
    since: str | None,
    until: str | None,
) -> int:
    """Show a run's logs."""
    lowest = _LEVELS[level.lower()]
    filters: dict[str, Any] = {"level": lowest, "task": task, "search": search}
    filters["since"] = _time("--since", since) if since else None
    filters["until"] = _time("--until", until) if until else None
    api = client.Client()
    found = find(api, run)
    if download:
        whole = {"flow_run_id": found.id, "format": download, **filters}
        for chunk in api.stream(operations.download_logs, msgspec.convert(whole, wire_logs.DownloadLogs)):
            sys.stdout.buffer.write(chunk)
        return 0
    if follow:
        return _watch(api, found.id, lowest)
    for line in _lines(api, wire_logs.ListLogs(flow_run_id=found.id, limit=1000, **filters)):
        _print(line)
    return 0


@click.command()
@click.argument("run")
@click.option("--reason", default="", help="Why; it is shown with the run.")
def cancel(run: str, reason: str) -> None:
    """Cancel a run, by its id or name."""
    api = client.Client()
    found = find(api, run)
    after = api.call(operations.cancel_flow_run, wire_runs.CancelFlowRun(flow_run_id=found.id, reason=reason))
    output.say(f"{after.name} is {after.state.name}")


@click.command()
@click.argument("run")
@click.option("--comment", default="", help="It is shown with the run.")
def resume(run: str, comment: str) -> None:
    """Approve a paused run, by its id or name."""
    api = client.Client()
    after = api.resume_flow_run(find(api, run).id, comment)
    output.say(f"{after.name} is {after.state.name}")


@click.command()
@click.argument("run")
@click.option("--from-failed", is_flag=True, help="What did not succeed, and all below it: so it is always.")
@click.option(
    "--from",
    "tasks",
    multiple=True,
    metavar="TASK[:INDEX]",
    help="Also this task, or this mapped child of it.",
)
@click.option("--from-start", is_flag=True, help="Everything.")
@click.option(
    "--parameter", "-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter that is to change."
)
@click.option("--version", default="same", show_default=True, metavar="same|current|NUMBER")
@click.option("--name", help="The new run's name.")
@click.option("--label", "labels", multiple=True, help="Labels instead of the run's own.")
@click.option("--run-config", help="A run config as JSON instead of the run's own.")
@click.option("--preview", is_flag=True, help="Only say what would run and what would be taken over.")
@click.option("--watch", "-w", is_flag=True, help="Follow its logs to its end, as `run --watch` does.")
@output.formatted
def rerun(
    run: str, tasks: tuple[str, ...], from_start: bool, given: tuple[str, ...], form: str, **options: Any
) -> int:
    """Run a finished RUN again, as a new run: what failed and all below it, with the results of the rest."""
    if from_start and (tasks or options["from_failed"]):
        raise click.UsageError("--from-start runs everything: leave --from and --from-failed out")
    api = client.Client()
    found = find(api, run)
    known = parameters.declared(api, found.version_id) if given else []
    config, labels = options["run_config"], list(options["labels"])
    request = restarts.RerunFlowRun(
        flow_run_id=found.id,
        tasks=[_place(task) for task in tasks],
        from_start=from_start,
        parameters=parameters.read(given, known),
        version=_version(options["version"]),
        name=options["name"],
        labels=labels or None,
        run_config=_config(config) if config else None,
    )
    if options["preview"]:
        _show_preview(api.call(operations.preview_rerun, request), form)
        return 0
    made = api.call(operations.rerun_flow_run, request)
    if form == "json":
        output.json(made)
    else:
        click.echo(f"{made.name}  {settings.load().server_url.rstrip('/')}/flow-runs/{made.id}")
    return _watch(api, made.id) if options["watch"] else 0


def _show_preview(preview: restarts.RerunPreview, form: str) -> None:
    if form == "json":
        output.json(preview)
        return
    output.table(
        ("TASK", "RUNS", "TAKEN OVER", "WHY"),
        [
            (
                task.slug,
                f"{task.runs}{'+' if task.open else ''}",
                str(task.reused),
                task.why.replace("_", " "),
            )
            for task in preview.tasks
        ],
    )
    for note in preview.notes:
        output.say(note)
    output.say(f"{preview.runs} task runs would run, and the results of {preview.reused} be taken over")


def _place(text: str) -> restarts.TaskPlace:
    slug, colon, index = text.partition(":")
    if colon and not index.isdecimal():
        raise errors.Invalid(f"--from {text!r} is not TASK or TASK:INDEX, like clean:3")
    return restarts.TaskPlace(slug=slug, map_index=int(index) if colon else None)


def _version(text: str) -> int | None:
    """As the request says it: None for the same, 0 for the current one."""
    if text in ("same", "current"):
        return None if text == "same" else 0
    if not text.isdecimal() or not int(text):
        raise errors.Invalid(f"--version {text!r} is neither same nor current nor a number")
    return int(text)


def _names(flow: str) -> tuple[str, str]:
    project, slash, name = flow.partition("/")
    if not slash:
        project, name = settings.load().project, flow
    if not project or not name:
        raise errors.Invalid(f"{flow!r} is not PROJECT/FLOW; `headrace flows` lists them")
    return project, name


def find(api: client.Client, text: str) -> wire_runs.FlowRun:
    """A run by its id, the beginning of its id, or its name (the newest of that name)."""
    with contextlib.suppress(ValueError):
        return api.call(operations.read_flow_run, wire_runs.FlowRunRef(flow_run_id=UUID(text)))
    found = api.call(operations.list_flow_runs, wire_runs.ListFlowRuns(search=text, limit=20)).items
    exact = [run for run in found if run.name == text]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if not found:
        raise errors.NotFound(f"there is no run {text!r}; `headrace runs` shows the recent ones")
    raise errors.Invalid(f"{text!r} could be {', '.join(run.name for run in found[:5])}; say more of it")


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise errors.Invalid(
            f'--param-file {path}: {error}; it is a JSON object of parameters: {{"year": 2014}}'
        ) from None


def _time(option: str, text: str) -> datetime:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[:1] in ("+", "-") and text[-1:] in units and text[1:-1].replace(".", "", 1).isdigit():
        return datetime.now(UTC) + timedelta(seconds=float(text[:-1]) * units[text[-1]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise errors.Invalid(f"{option} {text!r} is neither an ISO time nor +10m, -2h, +1d") from None
    return (at if at.tzinfo else at.astimezone()).astimezone(UTC)


def _config(text: str) -> run_configs.RunConfig:
    try:
        return msgspec.json.decode(text, type=run_configs.RunConfig)
    except msgspec.DecodeError as error:
        raise errors.Invalid(
            f'--run-config: {error}; for example {{"kind": "local", "env": {{"A": "1"}}}}'
        ) from None


def _took(run: wire_runs.FlowRun) -> str:
    if run.started_at is None:
        return "–"
    return output.length(((run.finished_at or datetime.now(UTC)) - run.started_at).total_seconds())


def _lines(api: client.Client, request: wire_logs.ListLogs) -> Iterator[wire_logs.LogLine]:
    while True:
        page = api.call(operations.list_logs, request)
        yield from page.items
        if page.next is None:
            return
        request = msgspec.structs.replace(request, after=page.next)


def _print(line: wire_logs.LogLine) -> None:
    level = next((name for name, number in _LEVELS.items() if number == line.level), str(line.level)).upper()
    colour = "red" if line.level >= 40 else "yellow" if line.level >= 30 else None
    where = (
        f" {line.task}[{line.map_index}]"
        if line.task and line.map_index >= 0
        else f" {line.task}"
        if line.task
        else ""
    )
    moment = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    click.echo(
        f"{moment} {click.style(level.ljust(7), fg=colour)}{click.style(where, dim=True)} {line.message}"
    )


def _watch(api: client.Client, flow_run_id: UUID, lowest: int = 0) -> int:
    """Follows a run to its end; the exit status is 0 only where it succeeded."""
    for line in api.follow_logs(flow_run_id):
        if line.level >= lowest:
            _print(line)
    end = api.wait_for(flow_run_id)
    output.say(f"{end.name}: {output.state(end.state)} {end.state.message}".rstrip())
    return 0 if end.state.type is states.StateType.SUCCESS else 1
