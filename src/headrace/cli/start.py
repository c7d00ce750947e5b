"""`server` and `agent`: the parts, each alone."""

from pathlib import Path

import click

from headrace import settings, tracing
from headrace.cli import service_logs


@click.command()
@click.option("--host", help="What to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port.  [default: 7400]")
@click.option("--database-url", help="sqlite:///PATH or postgresql://…  [default: SQLite in the data folder]")
@click.option(
    "--local",
    type=click.Path(path_type=Path),
    help="Write keys for this machine's agent and user to this file.",
    hidden=True,
)
def server(host: str | None, port: int | None, database_url: str | None, local: Path | None) -> None:
    """Run the server: API, web UI and its loops."""
    from headrace.server import app

    found = settings.load(host=host, port=port, database_url=database_url)
    service_logs.configure(found)
    tracing.start("headrace-server")
    try:
        app.serve(found, local_path=local)
    finally:
        tracing.stop()


@click.command()
@click.option("--name", help="Its name on the agents page.  [default: the host's]")
@click.option(
    "--label",
    "-l",
    "labels",
    multiple=True,
    help="It takes runs whose labels it has; give it as often as needed.",
)
@click.option("--no-unlabelled", is_flag=True, help="Leave runs without labels to other agents.")
@click.option("--limit", type=click.IntRange(min=1), help="How many runs at a time.")
@click.option(
    "--stop-runs", is_flag=True, help="End what runs when the agent ends, instead of leaving it running."
)
@click.option(
    "--launch",
    type=click.Choice(["process", "docker", "kubernetes"]),
    default="process",
    show_default=True,
    help="How runs are started.",
)
@click.option("--policy", "agent_policy", help="The file that says what runs may have (docs/agents.md).")
@click.option("--server-url", help="Where the server is.")
def agent(
    name: str | None,
    labels: tuple[str, ...],
    no_unlabelled: bool,
    limit: int | None,
    stop_runs: bool,
    launch: str,
    agent_policy: str | None,
    server_url: str | None,
) -> int:
    """Run an agent: it asks the server for runs and starts each as a process, a container or a pod of its own."""
    from headrace import agent as agents

    found = settings.load(server_url=server_url, agent_policy=agent_policy)
    service_logs.configure(found)
    tracing.start("headrace-agent")
    try:
        return agents.Agent(
            found,
            name=name,
            labels=labels,
            takes_unlabelled=not no_unlabelled,
            limit=limit,
            stop_runs=stop_runs,
            launch=launch,
        ).run()
    finally:
        tracing.stop()
