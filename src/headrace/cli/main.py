"""The root command: what there is, and how errors end. Each command's module is imported only when it is used."""

import importlib
import os
import sys
from typing import Any

import click

from headrace import errors

#: name → (module, attribute, what it does). `headrace --help` reads this and imports none of them.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("up", "up", "Start a server and an agent here; print one link that signs you in."),
    "run": ("runs", "run", "Ask for a run of a flow, and watch it."),
    "runs": ("control", "runs", "List flow runs, show one; cancel, approve, mark, delete one or many."),
    "logs": ("runs", "logs", "Show a run's logs, follow or search them."),
    "cancel": ("runs", "cancel", "Cancel a run."),
    "pause": ("control", "pause", "Pause a run at the end of its running tasks."),
    "resume": ("runs", "resume", "Approve a paused run."),
    "rerun": ("runs", "rerun", "Run again what failed, or from chosen tasks; other results are taken over."),
    "schedule": ("schedules", "schedule", "Make, show, pause and preview schedules."),
    "backfill": ("backfills", "backfill", "Run the past firings of a schedule."),
    "world": ("schedules", "world", "Pause everything, or resume it."),
    "register": ("flows", "register", "Register the flows of files and folders."),
    "flows": ("flows", "list_", "List flows."),
    "flow": ("versions", "flow", "Show a flow, compare its versions, archive or delete it."),
    "limits": ("limits", "limits", "How many runs and tasks go on at once; who holds, who waits."),
    "artifacts": ("artifacts", "artifacts", "What tasks have shown: texts, tables, links, images, progress."),
    "variable": ("variables", "variable", "Named values that flows read; never secrets."),
    "project": ("flows", "project", "Make, list and delete projects."),
    "notify": ("notifications", "notify", "Channels, rules and deliveries of notifications."),
    "sla": ("notifications", "sla", "What is promised of flows, and when it was not kept."),
    "login": ("accounts", "login", "Keep a server's address and your key for it."),
    "key": ("accounts", "key", "Make, list and revoke API keys."),
    "user": ("people", "user", "Invite people, change their roles, reset passwords, say who may sign up."),
    "server": ("start", "server", "Run the server alone."),
    "agent": ("start", "agent", "Run an agent alone."),
    "audit": ("audit", "audit", "Who did what, when."),
    "retention": ("retention", "retention", "How long finished runs, logs and other history are kept."),
    "backup": ("database", "backup_", "Write the whole database to a file."),
    "restore": ("database", "restore", "Put a backup back."),
    "doctor": ("database", "doctor", "Look through the database and say what is wrong."),
    "database": ("database", "database", "Look after the server's database."),
    "completion": ("accounts", "completion", "Print the shell's completion script."),
    "api": ("api", "api", "Every operation of the server, derived from its table."),
}


class LazyGroup(click.Group):
    """Commands by name; their modules are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"headrace.cli.{module}"), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            import difflib  # only who mistypes waits for it

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else " `headrace --help` lists them."
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib import metadata  # with its parsers of mail headers a third of what `--help` takes

        click.echo(f"headrace {metadata.version('headrace')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.option("--profile", help="Which profile of config.toml to use.", envvar="HEADRACE_PROFILE")
def root(profile: str | None) -> None:
    """Headrace runs Python flows.

    \b
    headrace up                                    a server and an agent, here
    headrace register my_flow.py --project demo    make a flow known to the server
    headrace run demo/my-flow -p day=monday --watch
    """
    if profile:
        os.environ["HEADRACE_PROFILE"] = profile


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and ends the process: 0 done, 1 failed, 2 wrong use, 3 not found, 4 not allowed, 5 conflict, 6 unreachable."""
    sys.exit(execute(arguments))


def execute(arguments: list[str] | None = None) -> int:
    """Runs a command; the answer is the exit status."""
    try:
        answer: Any = root.main(arguments, prog_name="headrace", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        click.echo("aborted", err=True)
        return 130
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except errors.HeadraceError as problem:
        click.echo(f"headrace: {problem.message}", err=True)
        for field, sentence in problem.fields.items():
            click.echo(f"  {field}: {sentence}", err=True)
        return problem.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has gone; keep the interpreter from saying so again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return answer if isinstance(answer, int) else 0
