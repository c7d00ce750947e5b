"""`register`, `flows` and `project`."""

import time
from pathlib import Path

import click

from headrace import client, errors, settings
from headrace.cli import output
from headrace.wire import flows as wire_flows
from headrace.wire import operations


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--project", "-p", help="The project they go to; it must exist. Default: the setting `project`."
)
@click.option("--name", "-n", "names", multiple=True, help="Only the flows of this name.")
@click.option("--watch", is_flag=True, help="Register again whenever a file changes, until Ctrl-C.")
def register(paths: tuple[Path, ...], project: str | None, names: tuple[str, ...], watch: bool) -> int:
    """Register the flows of files and folders: their structure goes to the server, their code stays here.

    Every file is tried; what went wrong is said for each, and the exit status is then 1.
    """
    from headrace.cli import files

    project = project or settings.load().project
    if not project:
        raise errors.Invalid("say which project: --project NAME (`headrace project create NAME` makes one)")
    api = client.Client()
    stamps: dict[Path, int] = {}
    failed = 0
    while True:
        changed = [path for path in files.find(paths) if stamps.get(path) != path.stat().st_mtime_ns]
        for path in changed:
            stamps[path] = path.stat().st_mtime_ns
            failed += _register(api, path, project, names)
        if not watch:
            return 1 if failed else 0
        if changed:
            output.say("watching; Ctrl-C ends it")
        time.sleep(0.5)


def _register(api: client.Client, path: Path, project: str, names: tuple[str, ...]) -> int:
    """Registers one file's flows; the answer is how many things went wrong."""
    from headrace.cli import files

    try:
        found = [flow for flow in files.load(path) if not names or flow.name in names]
    except errors.HeadraceError as error:
        output.say(f"✗ {error.message}")
        return 1
    failed = 0
    for flow in found:
        try:
            flow.register(project=project, client=api)
        except errors.HeadraceError as error:
            output.say(f"✗ {path}: {flow.name}: {error.message}")
            for field, sentence in error.fields.items():
                output.say(f"    {field}: {sentence}")
            failed += 1
    if not found:
        output.say(f"– {path}: no flow{' of this name' if names else ''}")
    return failed


@click.command("flows")
@click.option("--project", "-p", help="Only those of this project.")
@click.option("--search", "-s", help="Only names that contain this.")
@output.formatted
def list_(project: str | None, search: str | None, form: str) -> None:
    """List flows."""
    found = (
        client.Client()
        .call(operations.list_flows, wire_flows.ListFlows(project=project, search=search, limit=200))
        .items
    )
    if form == "json":
        output.json(found)
        return
    output.table(
        ("FLOW", "VERSION", "LAST RUN", "STATE"),
        [
            (
                f"{flow.project}/{flow.name}",
                str(flow.current_version),
                output.ago(flow.last_runs[0].at) if flow.last_runs else "never",
                flow.last_runs[0].state if flow.last_runs else "–",
            )
            for flow in found
        ],
    )


@click.group()
def project() -> None:
    """Projects: folders of flows."""


@project.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
def create(name: str, description: str) -> None:
    """Make a project; names are unique."""
    made = client.Client().call(
        operations.create_project, wire_flows.CreateProject(name=name, description=description)
    )
    output.say(f"project {made.name} is there")


@project.command("list")
@output.formatted
def list_projects(form: str) -> None:
    """List projects."""
    found = client.Client().call(operations.list_projects, wire_flows.ListProjects()).items
    if form == "json":
        output.json(found)
        return
    output.table(
        ("PROJECT", "FLOWS", "RUNS", "DESCRIPTION"),
        [(p.name, str(p.flows), str(p.runs), p.description) for p in found],
    )


@project.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a project with all its flows and runs."""
    api = client.Client()
    found = {p.name: p for p in api.call(operations.list_projects, wire_flows.ListProjects(limit=200)).items}
    if name not in found:
        raise errors.NotFound(f"there is no project {name!r}; there are: {', '.join(found) or 'none'}")
    target = found[name]
    if not yes:
        click.confirm(
            f"Delete {name} with {target.flows} flows and {target.runs} runs?", abort=True, err=True
        )
    api.call(operations.delete_project, wire_flows.DeleteProject(project_id=target.id, confirm=name))
    output.say(f"deleted {name}")
