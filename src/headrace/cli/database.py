"""`database`, `backup`, `restore` and `doctor`: looking after the server's database, on the server's host."""

from pathlib import Path

import click

from headrace import settings
from headrace.cli import output

_url = click.option("--database-url", help="Another database than the settings name.")


@click.group()
def database() -> None:
    """Look after the server's database."""


@database.command("upgrade")
@_url
def upgrade(database_url: str | None) -> None:
    """Bring the database's tables to this version of Headrace.

    Servers of the version before may go on meanwhile. Make a backup first.
    """
    from headrace.server import migrations

    found = settings.load(database_url=database_url)
    before, after = migrations.upgrade_url(found.database)
    output.say(f"{before} → {after}" if before != after else f"already at {after}")


@database.command("new-epoch")
@_url
@click.confirmation_option(
    prompt="Runs that may run at most once, and were due or claimed, will be ended as Crashed. Go on?"
)
def new_epoch(database_url: str | None) -> None:
    """Say that the database was put back by other means: pg_restore, a snapshot of a disk, a copy of the file.

    What `headrace restore` does by itself: processes from before are told to stop, and what may have run since is not run
    again. No server may be running.
    """
    from headrace.server import backup

    found = settings.load(database_url=database_url)
    begun = backup.begin_epoch(found)
    output.say(
        f"epoch {begun.number}: {begun.fenced} unfinished runs fenced, {len(begun.crashed)} ended as Crashed"
    )
    for run_id in begun.crashed:
        click.echo(str(run_id))


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_url
def backup_(file: Path, database_url: str | None) -> None:
    """Write the whole database to FILE; servers may go on meanwhile.

    The server's secret key is not part of it: keep that apart.
    """
    from headrace.server import backup

    found = settings.load(database_url=database_url)
    manifest = backup.write(found.database, file)
    size = file.stat().st_size / 2**20
    output.say(f"{file}: {manifest.rows} rows of {len(manifest.tables)} tables, {size:.1f} MiB")
    output.say("The secret key is not in it: keep it apart (server/secret.key, or HEADRACE_SECRET_KEY).")


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what the database holds.")
@_url
def restore(file: Path, force: bool, database_url: str | None) -> None:
    """Put a backup back, into a database of either kind. No server may be running.

    Processes of runs from before are told to stop. Runs of flows that run at most once, and may have been started since the
    backup, are ended as Crashed; their ids are printed.
    """
    from headrace.server import backup

    found = settings.load(database_url=database_url)
    manifest, begun = backup.restore(found, file, force=force)
    output.say(
        f"restored what there was at {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC: {manifest.rows} rows; epoch {begun.number}"
    )
    output.say(f"{begun.fenced} unfinished runs fenced, {len(begun.crashed)} ended as Crashed")
    for run_id in begun.crashed:
        click.echo(str(run_id))


@click.command()
@output.formatted
@_url
def doctor(form: str, database_url: str | None) -> int:
    """Look through the database and say what is wrong; it changes nothing, and servers may go on meanwhile.

    The exit status is 1 when something is wrong.
    """
    from headrace.server import doctor

    found = settings.load(database_url=database_url)
    report = doctor.examine(found.database)
    if form == "json":
        output.json(report)
        return 0 if report.is_well else 1
    for finding in report.findings:
        word = click.style("wrong", fg="red") if finding.serious else click.style("look", fg="yellow")
        ids = f" ({', '.join(finding.ids)})" if finding.ids else ""
        click.echo(f"{word}  {finding.check}: {finding.sentence}{ids}")
    looked = (
        f"revision {report.revision}, epoch {report.epoch}, {report.runs} runs: {', '.join(report.checks)}"
    )
    output.say(f"{'all is well' if not report.findings else 'looked at'}; {looked}")
    return 0 if report.is_well else 1
