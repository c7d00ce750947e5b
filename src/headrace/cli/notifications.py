"""`notify`: channels, rules and deliveries. `sla`: what is promised of flows, and when it was not kept."""

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

import click

from headrace import client, errors
from headrace.cli import output
from headrace.wire import notifications

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class _Named(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


def _found(items: Iterable[Named], name: str, what: str) -> Named:
    """The one of this name or id."""
    known = list(items)
    for item in known:
        if name in (item.name, str(item.id)):
            return item
    near = difflib.get_close_matches(name, [item.name for item in known], 1)
    names = ", ".join(item.name for item in known) or "none"
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {names}"
    raise errors.NotFound(f"there is no {what} {name!r}; {hint}")


def _channel(api: client.Client, name: str) -> notifications.Channel:
    return _found(api.notifications.channels(), name, "channel")


@click.group()
def notify() -> None:
    """Who is told of what happens: by webhook, Slack, mail or Apprise.

    \b
    headrace notify channel create ops slack             asks for the URL, which is kept as a secret
    headrace notify rule create failures --channel ops --state Failed --state Crashed
    headrace notify deliveries
    """


# --- channels --------------------------------------------------------------------------------------------------------


@notify.group()
def channel() -> None:
    """Places that messages go to."""


@channel.command("create")
@click.argument("name")
@click.argument("kind", type=click.Choice(["webhook", "slack", "mail", "apprise"]))
@click.option("--url", help="Where it leads; without it you are asked. It is kept as a secret.")
@click.option("--to", multiple=True, help="mail: who gets it; repeat it for more.")
@click.option("--sender", default="", help="mail: whom it is from, where not from whom the server says.")
@click.option("--smtp-url", default="", help="mail: smtp://USER:PASSWORD@HOST:587, instead of the server's.")
@output.formatted
def create_channel(
    name: str, kind: str, url: str | None, to: tuple[str, ...], sender: str, smtp_url: str, form: str
) -> None:
    """Make a channel. A webhook's signing secret is printed on stdout, once."""
    made = client.Client().notifications.create_channel(name, _target(kind, url, to, sender, smtp_url))
    if form == "json":
        output.json(made)
        return
    if made.signing_secret:
        click.echo(made.signing_secret)
        output.say("The secret signs what is sent; it is not shown again.")
    output.say(f"made {name}, to {made.channel.shown}; try it: headrace notify channel test {name}")


def _target(
    kind: str, url: str | None, to: tuple[str, ...], sender: str, smtp_url: str
) -> notifications.Target:
    if kind == "mail":
        if not to:
            raise click.UsageError("say who gets the mail: --to ADDRESS")
        return notifications.Mail(to=list(to), sender=sender, smtp_url=smtp_url)
    if to or sender or smtp_url:
        raise click.UsageError(f"--to, --sender and --smtp-url are for mail, not for {kind}")
    text = str(click.prompt("URL", hide_input=True, err=True)) if url is None else url
    match kind:
        case "webhook":
            return notifications.Webhook(url=text)
        case "slack":
            return notifications.Slack(url=text)
        case _:
            return notifications.Apprise(url=text)


@channel.command("list")
@output.formatted
def list_channels(form: str) -> None:
    """List channels, never their secrets."""
    found = list(client.Client().notifications.channels())
    if form == "json":
        output.json(found)
        return
    output.table(
        ("NAME", "KIND", "TO", "CHANGED", "BY"),
        [(each.name, each.kind, each.shown, output.ago(each.updated_at), each.created_by) for each in found],
    )


@channel.command("test")
@click.argument("name")
@output.formatted
def test_channel(name: str, form: str) -> int:
    """Send a test message now, and say what happened."""
    api = client.Client()
    tested = api.notifications.test(_channel(api, name).id)
    if form == "json":
        output.json(tested)
    else:
        output.say(tested.sentence)
    return 0 if tested.delivered else 1


@channel.command("update")
@click.argument("name")
@click.option("--rename", help="Its new name.")
@click.option("--url", help="Where it leads now; - asks for it.")
def update_channel(name: str, rename: str | None, url: str | None) -> None:
    """Rename a channel, or lead it to another URL. A webhook keeps its signing secret."""
    api = client.Client()
    found = _channel(api, name)
    if found.kind == "mail" and url is not None:
        raise click.UsageError("a mail has no URL: delete the channel and make another")
    asked = None if url == "-" else url
    target = None if url is None else _target(found.kind, asked, (), "", "")
    changed = api.notifications.update_channel(found.id, name=rename, target=target)
    output.say(f"{changed.name} leads to {changed.shown}")


@channel.command("rotate")
@click.argument("name")
@click.option(
    "--grace",
    default=24.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="HOURS",
    help="For so long the earlier secret signs too.",
)
@output.formatted
def rotate_secret(name: str, grace: float, form: str) -> None:
    """Give a webhook a new signing secret, printed on stdout, once."""
    api = client.Client()
    made = api.notifications.rotate_secret(_channel(api, name).id, grace=timedelta(hours=grace))
    if form == "json":
        output.json(made)
        return
    click.echo(made.signing_secret)
    both = f"; for {grace:g} h what is sent is signed with the earlier one too" if grace else ""
    output.say(f"The secret is not shown again{both}.")


@channel.command("delete")
@click.argument("name")
def delete_channel(name: str) -> None:
    """Remove a channel that no rule uses."""
    api = client.Client()
    found = _channel(api, name)
    api.notifications.delete_channel(found.id)
    output.say(f"deleted {found.name}")


# --- rules -----------------------------------------------------------------------------------------------------------


@notify.group()
def rule() -> None:
    """What is told to which channel."""


@rule.command("create")
@click.argument("name")
@click.option("--channel", "channel_name", required=True, help="Who is told.")
@click.option(
    "--state", "states", multiple=True, required=True, help="Failed, Crashed, Late, SlaMissed …; repeat it."
)
@click.option("--project", default="", help="Only runs of this project.")
@click.option("--flow", default="", help="Only runs of this flow: PROJECT/FLOW.")
@click.option("--label", "labels", multiple=True, help="Only runs with this label; repeat it.")
@click.option("--text", default="", help='The message, for example "{flow} is {state}: {message} {url}".')
@output.formatted
def create_rule(
    name: str,
    channel_name: str,
    states: tuple[str, ...],
    project: str,
    flow: str,
    labels: tuple[str, ...],
    text: str,
    form: str,
) -> None:
    """Tell a channel of runs that come into one of these states."""
    api = client.Client()
    made = api.notifications.create_rule(
        name,
        _channel(api, channel_name).id,
        states,
        project=project,
        flow=flow,
        labels=labels,
        text=text,
    )
    if form == "json":
        output.json(made)
    else:
        output.say(f"{made.channel} is told of {', '.join(made.states)} of {_place(made)}")


@rule.command("list")
@output.formatted
def list_rules(form: str) -> None:
    """List rules."""
    found = list(client.Client().notifications.rules())
    if form == "json":
        output.json(found)
        return
    output.table(
        ("NAME", "CHANNEL", "STATES", "OF", "LABELS"),
        [
            (each.name, each.channel, " ".join(each.states), _place(each), " ".join(each.labels))
            for each in found
        ],
    )


@rule.command("delete")
@click.argument("name")
def delete_rule(name: str) -> None:
    """Tell no more."""
    api = client.Client()
    found = _found(api.notifications.rules(), name, "rule")
    api.notifications.delete_rule(found.id)
    output.say(f"deleted {found.name}")


def _place(rule: notifications.Rule) -> str:
    return f"{rule.project}/{rule.flow}" if rule.flow else rule.project or "all flows"


# --- deliveries ------------------------------------------------------------------------------------------------------


@notify.command()
@click.option("--state", type=click.Choice(["waiting", "delivered", "given_up"]), help="Only these.")
@click.option("--channel", "channel_name", help="Only to this channel.")
@click.option("--limit", type=click.IntRange(1), default=50, help="How many.", show_default=True)
@output.formatted
def deliveries(
    state: notifications.DeliveryState | None, channel_name: str | None, limit: int, form: str
) -> None:
    """What became of each message, newest first."""
    api = client.Client()
    channel_id = None if channel_name is None else _channel(api, channel_name).id
    listed = api.notifications.deliveries(state=state, channel_id=channel_id)
    found = [each for _, each in zip(range(limit), listed, strict=False)]
    if form == "json":
        output.json(found)
        return
    output.table(
        ("ID", "MADE", "CHANNEL", "SUBJECT", "STATE", "TRIES", "NEXT", "ERROR"),
        [
            (
                *(str(each.id), output.ago(each.created_at), each.channel or "(deleted)", each.subject),
                *(each.state, str(each.attempts), output.ago(each.next_at), each.error),
            )
            for each in found
        ],
    )


@notify.command()
@click.argument("delivery", type=int)
def retry(delivery: int) -> None:
    """Send a message again that was not delivered."""
    made = client.Client().notifications.retry(delivery)
    output.say(f"{made.subject}: it is sent again to {made.channel}")


# --- SLAs ------------------------------------------------------------------------------------------------------------


@click.group()
def sla() -> None:
    """What is promised of flows' runs, and when it was not kept."""


@sla.command("create")
@click.argument("flow")
@click.argument("name")
@click.option("--by", help="A run has succeeded by this time each day: HH:MM, or a cron expression.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of --by.")
@click.option("--longer-than", type=float, help="No run takes longer than so many seconds.")
@click.option("--late-by", type=float, help="No run starts so many seconds after it is due.")
@output.formatted
def create_sla(
    flow: str,
    name: str,
    by: str | None,
    zone: str,
    longer_than: float | None,
    late_by: float | None,
    form: str,
) -> None:
    """Promise something of the runs of FLOW (PROJECT/FLOW). A rule on SlaMissed tells when it is broken."""
    promises: list[notifications.Promise] = []
    if by is not None:
        promises.append(notifications.FinishedBy(cron=_cron(by), timezone=zone))
    if longer_than is not None:
        promises.append(notifications.LongerThan(seconds=longer_than))
    if late_by is not None:
        promises.append(notifications.LateBy(seconds=late_by))
    if len(promises) != 1:
        raise click.UsageError("give one of --by, --longer-than and --late-by")
    api = client.Client()
    made = api.slas.create(api.find_flow(flow).id, name, promises[0])
    if form == "json":
        output.json(made)
    else:
        output.say(f"{made.project}/{made.flow}: {_words(made.promise)}")


@sla.command("list")
@click.option("--flow", help="Only those of this flow: PROJECT/FLOW.")
@output.formatted
def list_slas(flow: str | None, form: str) -> None:
    """List SLAs."""
    api = client.Client()
    found = list(api.slas.list(flow_id=None if flow is None else api.find_flow(flow).id))
    if form == "json":
        output.json(found)
        return
    output.table(
        ("NAME", "FLOW", "PROMISE", "NEXT", "ID"),
        [
            (
                *(each.name, f"{each.project}/{each.flow}", _words(each.promise)),
                *(output.ago(each.next_at), str(each.id)),
            )
            for each in found
        ],
    )


@sla.command("misses")
@click.option("--flow", help="Only those of this flow: PROJECT/FLOW.")
@click.option("--limit", type=click.IntRange(1), default=50, help="How many.", show_default=True)
@output.formatted
def list_misses(flow: str | None, limit: int, form: str) -> None:
    """When SLAs were not kept, newest first."""
    api = client.Client()
    listed = api.slas.misses(flow_id=None if flow is None else api.find_flow(flow).id)
    found = [each for _, each in zip(range(limit), listed, strict=False)]
    if form == "json":
        output.json(found)
        return
    output.table(
        ("WHEN", "SLA", "WHAT", "RUN"),
        [
            (output.ago(each.at), each.sla or "(late)", each.sentence, str(each.flow_run_id or "–"))
            for each in found
        ],
    )


@sla.command("delete")
@click.argument("flow")
@click.argument("name")
def delete_sla(flow: str, name: str) -> None:
    """Take a promise back, with the record of its misses."""
    api = client.Client()
    found = _found(api.slas.list(flow_id=api.find_flow(flow).id), name, "SLA")
    api.slas.delete(found.id)
    output.say(f"deleted {found.name}")


def _cron(by: str) -> str:
    clock = _TIME.fullmatch(by.strip())
    return f"{int(clock[2])} {int(clock[1])} * * *" if clock else by


def _words(promise: notifications.Promise) -> str:
    match promise:
        case notifications.FinishedBy():
            return f"succeeded by {promise.cron} {promise.timezone}"
        case notifications.LongerThan():
            return f"no longer than {output.length(promise.seconds)}"
        case notifications.LateBy():
            return f"not later than {output.length(promise.seconds)}"
