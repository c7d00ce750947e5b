"""R16: channels, rules and messages; S13, S20, S21: what they must not do or tell."""

import hashlib
import hmac
import logging
import secrets
import sys
import time
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from notified import Notified
from structures import registration

from headrace import errors
from headrace.core import moves
from headrace.core.states import StateType
from headrace.server import notification_rules, tables
from headrace.web.outbound import Outbound
from headrace.wire import flows, operations
from headrace.wire import notifications as wire
from receivers import Received, Receiver, say
from running import Server


@pytest.fixture
def alone(sqlite_server: Server) -> Notified:
    """For what does not depend on the database."""
    return Notified(sqlite_server)


# --- channels --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_with_a_secret_that_is_shown_once(told: Notified, receiver: Receiver) -> None:
    made = told.channel(receiver.url + "/hook")
    told.rule(made, "Success")
    told.life.finish(told.life.running())
    told.deliver()
    (request,) = receiver.requests
    fields = dict(part.split("=") for part in request.headers["headrace-signature"].split(","))
    signed = f"{fields['t']}.".encode() + request.body
    assert hmac.new(made.signing_secret.encode(), signed, hashlib.sha256).hexdigest() == fields["v1"]
    assert int(fields["t"]) == int(told.server.clock.now.timestamp())
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["headrace-event-id"] == request.json["event_id"]
    (listed,) = told.server.call(
        operations.list_notification_channels, wire.ListChannels(), told.server.as_.viewer
    ).items
    assert listed == made.channel
    assert (listed.kind, listed.shown) == ("webhook", receiver.url)


def test_a_repeated_creation_does_not_tell_the_secret_again(told: Notified) -> None:
    request = wire.CreateChannel(name="ops", target=wire.Webhook(url="https://example.com/"))
    told.server.call(operations.create_notification_channel, request, request_id="one")
    with pytest.raises(errors.Conflict, match="secret is not kept"):
        told.server.call(operations.create_notification_channel, request, request_id="one")


def test_the_event_says_all_about_the_run(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Failed", name="failures", text="{flow} is {state}: {message}")
    held = told.life.running()
    told.life.finish(held, StateType.FAILED, message="no rows")
    told.deliver()
    run = told.life.read(held.flow_run_id)
    body = receiver.bodies[0]
    assert UUID(body.pop("event_id"))
    assert body == {
        "kind": "state",
        "at": told.server.clock.now.isoformat().replace("+00:00", "Z"),
        "rule": "failures",
        "project": "sales",
        "flow": "daily",
        "flow_id": str(run.flow_id),
        "run": run.name,
        "flow_run_id": str(run.id),
        "attempt": 1,
        "from_type": "Running",
        "state_type": "Failed",
        "state": "Failed",
        "message": "no rows",
        "labels": [],
        "sla": "",
        "url": f"http://127.0.0.1:7400/flow-runs/{run.id}",
        "text": "daily is Failed: no rows",
    }


def test_slack_gets_a_text_in_which_nobody_can_be_called(told: Notified, receiver: Receiver) -> None:
    made = told.channel(target=wire.Slack(url=receiver.url + "/services/T0/B0/xyz"))
    assert (made.signing_secret, made.channel.shown) == ("", receiver.url)
    told.rule(made, "Failed")
    held = told.life.running()
    told.life.finish(held, StateType.FAILED, message="<!channel> & <https://evil.example|click>")
    told.deliver()
    run = told.life.read(held.flow_run_id)
    assert receiver.bodies == [
        {
            "text": f"sales/daily · {run.name}: Failed\n"
            "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;\n"
            f"http://127.0.0.1:7400/flow-runs/{run.id}"
        }
    ]


def test_a_test_message_says_what_happened(told: Notified, receiver: Receiver) -> None:
    made = told.channel(target=wire.Slack(url=receiver.url + "/services/token"))
    assert told.test(made.channel.id) == wire.Tested(delivered=True, sentence=f"delivered to {receiver.url}")
    assert receiver.bodies[0]["text"].startswith("A test of the channel 'ops' by administrator.")
    receiver.usual = say(404, b"no_service")
    answer = told.test(made.channel.id)
    assert answer == wire.Tested(delivered=False, sentence="127.0.0.1 answers 404 Not Found: no_service")
    assert told.deliveries() == []
    with pytest.raises(errors.NotFound):
        told.test(uuid4())


def test_a_redirect_to_the_metadata_service_is_said_and_not_followed(
    alone: Notified, receiver: Receiver
) -> None:
    receiver.usual = say(302, Location="http://169.254.169.254/latest/meta-data/")
    answer = alone.test(alone.channel(receiver.url).channel.id)
    assert not answer.delivered
    assert "redirect (302), which is not followed" in answer.sentence
    assert len(receiver.requests) == 1


def test_a_private_address_is_refused_when_it_is_sent_to(alone: Notified) -> None:
    for url in ("https://169.254.169.254/", "http://[::1]:7400/", "https://2852039166/"):
        answer = alone.test(alone.channel(url, name=url).channel.id)
        assert not answer.delivered
        assert "private or reserved network" in answer.sentence


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (wire.Webhook(url="ftp://example.com"), "url"),
        (wire.Slack(url="example.com"), "url"),
        (wire.Mail(to=[], sender="a@example.com", smtp_url="smtp://mail.example.com"), "to"),
        (wire.Mail(to=["a b"], sender="a@example.com", smtp_url="smtp://mail.example.com"), "to"),
        (wire.Mail(to=["a@b\r\nBcc: c@d"], sender="a@example.com", smtp_url="smtp://h"), "to"),
        (wire.Mail(to=["a@example.com"], sender="a@example.com", smtp_url="http://h"), "smtp_url"),
        (wire.Mail(to=["a@example.com"], sender="a@example.com"), "smtp_url"),
        (wire.Mail(to=["a@example.com"], smtp_url="smtp://h"), "sender"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_with_its_field(
    alone: Notified, target: wire.Target, field: str
) -> None:
    with pytest.raises(errors.Invalid) as refused:
        alone.channel(target=target)
    assert field in refused.value.fields


def test_a_channel_is_renamed_led_elsewhere_and_keeps_its_signing_secret(
    told: Notified, receiver: Receiver
) -> None:
    made = told.channel("https://old.example/secret")
    change = wire.UpdateChannel(
        channel_id=made.channel.id, name="new name", target=wire.Webhook(url=receiver.url)
    )
    changed = told.server.call(operations.update_notification_channel, change)
    assert (changed.name, changed.shown) == ("new name", receiver.url)
    assert told.test(changed.id).delivered
    (request,) = receiver.requests
    fields = dict(part.split("=") for part in request.headers["headrace-signature"].split(","))
    expected = hmac.new(
        made.signing_secret.encode(), f"{fields['t']}.".encode() + request.body, hashlib.sha256
    )
    assert fields["v1"] == expected.hexdigest()
    other = wire.UpdateChannel(channel_id=made.channel.id, target=wire.Slack(url=receiver.url))
    with pytest.raises(errors.Conflict, match="of the kind webhook"):
        told.server.call(operations.update_notification_channel, other)


def test_r16_a_new_signing_secret_signs_beside_the_earlier_one_for_a_while(
    told: Notified, receiver: Receiver
) -> None:
    made = told.channel(receiver.url)
    rotate = wire.RotateSecret(channel_id=made.channel.id, grace_seconds=3600)
    changed = told.server.call(operations.rotate_signing_secret, rotate)
    assert changed.signing_secret not in ("", made.signing_secret)

    def signed_with(request: Received) -> list[str]:
        fields = [part.split("=") for part in request.headers["headrace-signature"].split(",")]
        signed = f"{fields[0][1]}.".encode() + request.body
        secrets = (changed.signing_secret, made.signing_secret)
        by = {hmac.new(each.encode(), signed, hashlib.sha256).hexdigest(): each for each in secrets}
        return [by[value] for name, value in fields if name == "v1"]

    # it still leads where it led, and a new address keeps both
    change = wire.UpdateChannel(channel_id=made.channel.id, target=wire.Webhook(url=receiver.url + "/new"))
    told.server.call(operations.update_notification_channel, change)
    assert told.test(made.channel.id).delivered
    told.server.clock.advance(3601)
    assert told.test(made.channel.id).delivered
    during, after = receiver.requests
    assert signed_with(during) == [changed.signing_secret, made.signing_secret]
    assert signed_with(after) == [changed.signing_secret]
    assert during.path == "/new"


def test_a_signing_secret_is_replaced_at_once_and_only_a_webhook_has_one(
    told: Notified, receiver: Receiver
) -> None:
    made = told.channel(receiver.url)
    at_once = wire.RotateSecret(channel_id=made.channel.id, grace_seconds=0)
    told.server.call(operations.rotate_signing_secret, at_once)
    assert told.test(made.channel.id).delivered
    assert receiver.requests[0].headers["headrace-signature"].count("v1=") == 1
    slack = told.channel(target=wire.Slack(url=receiver.url), name="slack")
    with pytest.raises(errors.Conflict, match="only a webhook"):
        told.server.call(operations.rotate_signing_secret, wire.RotateSecret(channel_id=slack.channel.id))
    too_long = wire.RotateSecret(channel_id=made.channel.id, grace_seconds=31 * 24 * 3600)
    with pytest.raises(errors.Invalid, match="30 days"):
        told.server.call(operations.rotate_signing_secret, too_long)


def test_a_channel_in_use_is_not_deleted_and_a_name_is_given_once(told: Notified) -> None:
    made = told.channel("https://example.com/")
    rule = told.rule(made, "Failed")
    with pytest.raises(errors.Conflict, match="already a notification channel 'ops'"):
        told.channel("https://example.com/")
    with pytest.raises(errors.Conflict, match=r"used by rules: .*Failed"):
        told.server.call(operations.delete_notification_channel, wire.ChannelRef(channel_id=made.channel.id))
    told.server.call(operations.delete_notification_rule, wire.RuleRef(rule_id=rule.id))
    told.server.call(operations.delete_notification_channel, wire.ChannelRef(channel_id=made.channel.id))
    assert told.server.rows(tables.notification_channels) == []


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_is_of_states_flow_project_and_labels(told: Notified, receiver: Receiver) -> None:
    told.server.call(operations.create_project, flows.CreateProject(name="other"))
    told.life.register(name="weekly", code_sha256="0" * 64)
    made = told.channel(receiver.url)
    for name, where in {
        "all": {},
        "project": {"project": "sales"},
        "flow": {"flow": "sales/daily"},
        "other flow": {"flow": "sales/weekly"},
        "other project": {"project": "other"},
        "label": {"labels": ["gpu"]},
        "labels": {"labels": ["gpu", "big"]},
    }.items():
        told.rule(made, "Cancelled", name=name, **where)
    told.rule(made, "Failed", name="other state")
    run = told.life.create(labels=["gpu", "fast"])
    told.life.cancel(run.id)
    assert sorted(each.rule for each in told.deliveries()) == ["all", "flow", "label", "project"]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"states": ["Faled"]}, errors.Invalid, "did you mean 'Failed'"),
        ({"states": ["Submitted"]}, errors.Invalid, "nobody can be told"),
        ({"states": []}, errors.Invalid, "at least one state"),
        ({"project": "sails"}, errors.NotFound, "did you mean 'sales'"),
        ({"flow": "sales/dayly"}, errors.NotFound, "did you mean 'daily'"),
        ({"flow": "daily"}, errors.Invalid, "project too"),
        ({"labels": ["a b"]}, errors.Invalid, "space"),
        ({"text": "{mesage}"}, errors.Invalid, r"did you mean \{message\}"),
        ({"text": "x" * 2001}, errors.Invalid, "2000"),
        ({"name": " "}, errors.Invalid, "printable"),
        ({"channel_id": uuid4()}, errors.NotFound, "no notification channel"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_in_words(
    alone: Notified, fields: dict[str, object], error: type[Exception], words: str
) -> None:
    made = alone.channel("https://example.com/")
    whole = {"name": "r", "channel_id": made.channel.id, "states": ["Failed"], **fields}
    with pytest.raises(error, match=words):
        alone.server.call(operations.create_notification_rule, wire.CreateRule(**whole))  # type: ignore[arg-type]


def test_every_state_that_can_be_told_is_one_that_a_move_leads_to() -> None:
    assert {
        "Running",
        "Paused",
        "Success",
        "Failed",
        "Crashed",
        "Cancelled",
        "AwaitingRetry",
        "Rescued",
    } <= set(notification_rules.WORDS)
    assert {"TimedOut", "Lost", "LaunchFailed", "Resumed", "Cancelling", "Late", "SlaMissed"} <= set(
        notification_rules.WORDS
    )
    quiet = {move.after for move in moves.FLOW_RUN_MOVES if moves.Effect.OUTBOX not in move.effects}
    assert quiet == {StateType.SCHEDULED, StateType.SUBMITTED}


def test_a_type_tells_of_all_its_names(told: Notified, receiver: Receiver) -> None:
    made = told.channel(receiver.url)
    told.rule(made, "Failed", name="type")
    told.rule(made, "TimedOut", name="name")
    told.life.finish(told.life.running(), StateType.FAILED, name="TimedOut")
    told.life.finish(told.life.running(), StateType.FAILED)
    assert [each.rule for each in told.deliveries()] == ["type", "name", "type"]


@pytest.mark.parametrize(
    "text",
    [
        "{x.__class__.__mro__}",
        "{{7*7}}",
        "${HOME} $(id) `id`",
        "{message!r:>{x.y}}",
        "%s %(message)s %n",
        "{0} {} {message.__init__.__globals__}",
    ],
)
def test_nothing_in_a_text_is_evaluated(alone: Notified, receiver: Receiver, text: str) -> None:
    """S20. What is put in is not looked at again either."""
    alone.rule(alone.channel(receiver.url), "Failed", text=text + " {message}")
    alone.life.finish(alone.life.running(), StateType.FAILED, message="{flow} {url} {{message}}")
    alone.deliver()
    assert receiver.bodies[0]["text"] == text + " {flow} {url} {{message}}"


def test_a_long_and_hostile_text_costs_nothing(alone: Notified) -> None:
    begun = time.perf_counter()
    notification_rules.rendered("{" * 100_000 + "}" * 100_000 + "{flow" * 20_000, {"flow": "x"})
    assert time.perf_counter() - begun < 1


def test_members_make_rules_and_administrators_channels() -> None:
    needs = {operation.name: operation.needs.value for operation in operations.OPERATIONS}
    assert needs["create_notification_channel"] == needs["test_notification"] == "administer"
    assert needs["create_notification_rule"] == needs["retry_delivery"] == needs["create_sla"] == "run"
    assert needs["list_notification_channels"] == needs["list_deliveries"] == "read"


def test_of_a_flow_that_is_registered_anew_the_rule_stays(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Success", flow="sales/daily")
    told.server.call(operations.register_flow, registration(code_sha256="1" * 64))
    told.life.finish(told.life.running())
    assert len(told.deliveries()) == 1


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise's own
def test_a_secret_is_in_no_answer_no_log_and_not_in_the_database(
    told: Notified, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """S21. Also where the receiver is hostile and says back what it was sent."""
    caplog.set_level(logging.DEBUG)
    path, user, password = (f"kanarie-{secrets.token_hex(8)}" for _ in range(3))
    url = f"http://{user}:{password}@127.0.0.1:{receiver.port}/{path}?t={path}"
    hook = told.channel(url, "hook")
    slack = told.channel(name="slack", target=wire.Slack(url=url))
    mail = told.channel(
        name="mail",
        target=wire.Mail(
            to=["a@example.com"], sender="b@example.com", smtp_url=f"smtp://{user}:{password}@127.0.0.1:9"
        ),
    )
    told.rule(hook, "Success", name="hook")
    told.rule(slack, "Success", name="slack")
    said: list[str] = []
    echoes = [
        f"{path} {password}".encode(),
        url.encode(),
        hook.signing_secret.encode(),
        b"Basic " + path.encode(),
    ]
    receiver.answers = [say(status, echo, Location=url) for status in (404, 302) for echo in echoes]
    told.life.finish(told.life.running())
    told.deliver()
    said += [str(told.test(each.channel.id)) for each in (hook, slack, mail)]
    for target in (wire.Webhook(url=url + " "), wire.Slack(url=url + "\\"), wire.Apprise(url=f"no{url}")):
        with pytest.raises(errors.HeadraceError) as refused:
            told.channel(name="bad", target=target)
        said.append(f"{refused.value.message} {refused.value.fields}")
    said.append(str(told.server.call(operations.list_notification_channels, wire.ListChannels())))
    said.append(str(told.deliveries()))
    assert any("answers 404" in each for each in said)
    whole = "\n".join([*said, caplog.text]) + _dump(told.server)
    for secret in (path, user, password, hook.signing_secret):
        assert secret not in whole
        assert secret.encode().hex() not in whole
    assert path.encode() in receiver.requests[0].path.encode(), "it was sent where it belongs"


def _dump(server: Server) -> str:
    def read(call: object) -> str:
        parts: list[str] = []
        for table in tables.metadata.sorted_tables:
            for row in call.connection.execute(sa.select(table)):  # type: ignore[attr-defined]
                parts += [
                    value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row
                ]
        return "\n".join(parts)

    return server.read(read)


def test_the_secrets_of_one_channel_cannot_be_read_as_anothers(told: Notified, receiver: Receiver) -> None:
    table = tables.notification_channels
    first, second = told.channel(receiver.url, "first"), told.channel(receiver.url, "second")

    def swap(call: object) -> None:
        stolen = sa.select(table.c.sealed).where(table.c.id == first.channel.id).scalar_subquery()
        statement = table.update().where(table.c.id == second.channel.id).values(sealed=stolen)
        call.connection.execute(statement)  # type: ignore[attr-defined]

    told.server.write(swap)
    answer = told.test(second.channel.id)
    assert not answer.delivered
    assert "the channel 'second': its secrets were encrypted under another secret_key" in answer.sentence


# --- apprise ---------------------------------------------------------------------------------------------------------


def test_where_apprise_is_not_installed_the_answer_says_so(
    alone: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(errors.Invalid, match=r"pip install"):
        alone.channel(target=wire.Apprise(url="ntfy://topic"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own
def test_apprise_sends_to_a_host_that_the_setting_names_and_to_no_other(
    alone: Notified, receiver: Receiver
) -> None:
    pytest.importorskip("apprise")
    for url in (
        f"json://127.0.0.1:{receiver.port}/x",
        "xml://169.254.169.254/",
        "mailto://a:b@example.com",
        "hm",
    ):
        with pytest.raises(errors.Invalid):
            alone.channel(target=wire.Apprise(url=url))
    alone.server.service.part(Outbound).allow("localhost")
    made = alone.channel(target=wire.Apprise(url=f"json://localhost:{receiver.port}/token"))
    assert made.channel.shown == "json://…"
    assert alone.test(made.channel.id).delivered
    assert receiver.bodies[0]["message"].startswith("A test of the channel")
    receiver.usual = say(500, b"token")
    answer = alone.test(made.channel.id)
    assert (answer.delivered, "token" in answer.sentence) == (False, False)
