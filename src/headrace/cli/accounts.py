"""`login`, `key` and `completion`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from headrace import client, errors, settings
from headrace.cli import output
from headrace.wire import accounts, operations


@click.command()
@click.argument("server_url", required=False)
@click.option("--key", help="An API key; without it you are asked for one.")
def login(server_url: str | None, key: str | None) -> None:
    """Keep a server's address and your key for it, for this user of this machine.

    Keys are made on the server's Account page. HEADRACE_API_KEY and HEADRACE_SERVER_URL win over what is kept.
    """
    current = settings.load()
    url = (server_url or current.server_url).rstrip("/")
    if key is None:
        output.say(f"Make an API key at {url}/account and paste it here.")
        key = str(click.prompt("API key", hide_input=True))
    me = client.Client(server_url=url, api_key=key).call(operations.read_me, accounts.Nothing())
    if me.kind == "anonymous":
        raise errors.Unauthenticated(f"{url} does not know this key; make a new one at {url}/account")
    path = settings.save_profile(current.profile, server_url=url, api_key=key)
    output.say(f"{me.name} ({me.role}) at {url}; kept in {path}")


@click.group()
def key() -> None:
    """API keys: your own, or a service account's."""


def _account(api: client.Client, name: str | None) -> UUID | None:
    if name is None:
        return None
    known = api.call(operations.list_service_accounts, accounts.ListServiceAccounts()).items
    for account in known:
        if account.name == name:
            return account.id
    raise errors.NotFound(
        f"there is no service account {name!r}; there are: {', '.join(a.name for a in known) or 'none'}"
    )


@key.command("create")
@click.argument("name")
@click.option("--service-account", help="Make it for this service account.")
@click.option(
    "--role", type=click.Choice(["agent", "registrar"]), help="Make the service account too, with this role."
)
@click.option(
    "--expires-in-days", type=float, help="How long it is good for; without it, until it is revoked."
)
@output.formatted
def create(
    name: str,
    service_account: str | None,
    role: accounts.ServiceRole | None,
    expires_in_days: float | None,
    form: str,
) -> None:
    """Make a key. Its value is printed on stdout, once."""
    api = client.Client()
    if role is not None:
        if service_account is None:
            raise errors.Invalid("--role says what a service account may do: name it with --service-account")
        api.call(
            operations.create_service_account, accounts.CreateServiceAccount(name=service_account, role=role)
        )
    request = accounts.CreateKey(
        name=name,
        service_account_id=_account(api, service_account),
        expires_in_seconds=None if expires_in_days is None else expires_in_days * 86400,
    )
    created = api.call(operations.create_key, request)
    if form == "json":
        output.json(created)
    else:
        click.echo(created.value)
        output.say("This value is not shown again.")


@key.command("list")
@click.option("--service-account", help="Those of this service account.")
@output.formatted
def list_(service_account: str | None, form: str) -> None:
    """List keys, never their values."""
    api = client.Client()
    found = api.call(
        operations.list_keys, accounts.ListKeys(service_account_id=_account(api, service_account))
    ).items
    if form == "json":
        output.json(found)
    else:
        _table(found)


@key.command("revoke")
@click.argument("name")
@click.option("--service-account", help="One of this service account.")
def revoke(name: str, service_account: str | None) -> None:
    """Revoke a key, by its name, its hint or its id. Its next call is refused."""
    api = client.Client()
    known = api.call(
        operations.list_keys, accounts.ListKeys(service_account_id=_account(api, service_account))
    ).items
    found = [key for key in known if name in (key.name, key.hint, str(key.id))]
    if len(found) != 1:
        many = "more than one key" if found else "no key"
        raise errors.NotFound(f"there is {many} {name!r}; `headrace key list` shows them")
    api.call(operations.revoke_key, accounts.KeyRef(key_id=found[0].id))
    output.say(f"revoked {found[0].name}")


def _table(found: list[accounts.Key]) -> None:
    def until(key: accounts.Key) -> str:
        if key.expires_at is None:
            return "never"
        return (
            click.style("expired", fg="red")
            if key.expires_at < datetime.now(UTC)
            else output.ago(key.expires_at)
        )

    output.table(
        ("NAME", "KEY", "OWNER", "EXPIRES", "LAST USED"),
        [(key.name, f"{key.hint}…", key.owner, until(key), output.ago(key.last_used_at)) for key in found],
    )


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell, for example: eval "$(headrace completion bash)"."""
    from click import shell_completion

    root = click.get_current_context().find_root().command
    name = shell or Path(os.environ.get("SHELL", "bash")).name
    kind = shell_completion.get_completion_class(name)
    if kind is None:
        raise errors.Invalid(f"there is no completion for {name!r}; take bash, zsh or fish")
    click.echo(kind(root, {}, "headrace", "_HEADRACE_COMPLETE").source())
