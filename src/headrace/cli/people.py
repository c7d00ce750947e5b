"""`user`: people, invitations, new passwords, and who may sign up."""

from datetime import timedelta

import click

from headrace import client, settings
from headrace.cli import output
from headrace.client.people import People
from headrace.wire import accounts, operations

_ROLE = click.Choice(["administrator", "member", "viewer"])


def _people() -> People:
    return client.Client().people


@click.group()
def user() -> None:
    """People, by their addresses of mail."""


@user.command("list")
@output.formatted
def list_(form: str) -> None:
    """Everybody with an account."""
    found = list(_people().list())
    if form == "json":
        output.json(found)
        return
    output.table(
        ("ADDRESS", "NAME", "ROLE", "", "LAST SEEN"),
        [
            (one.email, one.name, one.role, "" if one.active else "deactivated", output.ago(one.last_seen_at))
            for one in found
        ],
    )


@user.command("invite")
@click.argument("email")
@click.option("--role", type=_ROLE, default="member", show_default=True)
@click.option("--days", type=float, default=7, show_default=True, help="How long the link is good.")
@output.formatted
def invite(email: str, role: accounts.UserRole, days: float, form: str) -> None:
    """Invite somebody. The link is printed on stdout, once; where the server sends mails it is mailed too."""
    made = _people().invite(email, role=role, lasts=timedelta(days=days))
    if form == "json":
        output.json(made)
        return
    click.echo(made.link)
    mailed = "It is on its way by mail too." if made.mailed else "This server sends no mails: pass it on."
    output.say(f"This link lets {made.invitation.email} in, once. It is not shown again. {mailed}")


@user.command("invitations")
@output.formatted
def invitations(form: str) -> None:
    """Who may come in and has not."""
    found = list(_people().invitations())
    if form == "json":
        output.json(found)
        return
    output.table(
        ("ADDRESS", "ROLE", "BY", "GOOD", "MAIL"),
        [
            (
                one.email,
                one.role,
                one.created_by or "signing up",
                "too old" if one.expired else output.ago(one.expires_at),
                one.mail_problem or ("sent" if one.mailed_at else "–"),
            )
            for one in found
        ],
    )


@user.command("withdraw")
@click.argument("email")
def withdraw(email: str) -> None:
    """Take an invitation back."""
    _people().withdraw(email)
    output.say(f"the invitation of {email} is withdrawn")


@user.command("role")
@click.argument("email")
@click.argument("role", type=_ROLE)
def role(email: str, role: accounts.UserRole) -> None:
    """Give somebody another role; it holds from their next request on."""
    changed = _people().set_role(email, role)
    output.say(f"{changed.name} is now {changed.role}")


@user.command("deactivate")
@click.argument("email")
def deactivate(email: str) -> None:
    """End somebody's sessions and keys at once, and let them in no more."""
    output.say(f"{_people().deactivate(email).name} is deactivated")


@user.command("activate")
@click.argument("email")
def activate(email: str) -> None:
    """Let somebody in again; they sign in anew, and their keys are good again."""
    output.say(f"{_people().activate(email).name} is active")


@user.command("reset")
@click.argument("email")
@click.option(
    "--on-this-host",
    is_flag=True,
    help="Without the server: by its database, which this machine reaches. SQLite: stop the server first.",
)
@click.option("--database-url", help="Another database than the settings name.")
def reset(email: str, on_this_host: bool, database_url: str | None) -> None:
    """Print a link by which somebody sets a new password."""
    if on_this_host or database_url:
        from headrace.server import recovery  # the whole server, for this alone

        link = recovery.reset_link(settings.load(database_url=database_url), email)
    else:
        link = _people().reset(email).link
    click.echo(link)
    output.say("It is good once, for a day, and not shown again.")


@user.command("sign-up")
@click.argument("rule", type=click.Choice(["invitation", "domains", "open"]), required=False)
@click.option("--domain", "domains", multiple=True, help="Whose addresses may sign up; may be repeated.")
@click.option("--role", type=click.Choice(["member", "viewer"]), help="What they become.")
@output.formatted
def sign_up(rule: accounts.Rule | None, domains: tuple[str, ...], role: str | None, form: str) -> None:
    """Show or set who may come in without an invitation."""
    api = client.Client()
    if rule or domains or role:
        request = accounts.SetSignUpRule(rule=rule, domains=list(domains) or None, role=role)  # type: ignore[arg-type] - click has checked
        found = api.call(operations.set_sign_up_rule, request)
    else:
        found = api.people.sign_up_rule()
    if form == "json":
        output.json(found)
        return
    click.echo("\t".join((found.rule, ",".join(found.domains) or "–", found.role)))
    if found.rule != "invitation" and not found.mail:
        output.say("This server sends no mails (HEADRACE_SMTP_URL, HEADRACE_MAIL_FROM): nobody can sign up.")
