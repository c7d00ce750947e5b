"""R16: mails, against a real mail server of the tests' own."""

import re
from collections.abc import Iterator

import pytest
from notified import Notified

from headrace import errors
from headrace.core.states import StateType
from headrace.server.channels import mail, relays
from headrace.wire import notifications as wire
from receivers import MailSink
from running import Server


@pytest.fixture
def sink() -> Iterator[MailSink]:
    sink = MailSink()
    yield sink
    sink.close()


@pytest.fixture
def told(sqlite_server: Server) -> Notified:
    return Notified(sqlite_server)


def target(sink: MailSink, *to: str, user: str = "") -> wire.Mail:
    return wire.Mail(
        to=list(to) or ["ops@example.com"],
        sender="headrace@example.com",
        smtp_url=f"smtp://{user}127.0.0.1:{sink.port}",
    )


def test_a_failure_comes_by_mail(told: Notified, sink: MailSink) -> None:
    told.rule(told.channel(target=target(sink, "a@example.com", "b@example.com")), "Failed")
    held = told.life.running()
    told.life.finish(held, StateType.FAILED, message="größer als 3\n.\nSubject: forged")
    told.deliver()
    (received,) = sink.mails
    (delivery,) = told.deliveries()
    assert delivery.state == "delivered", delivery.error
    assert sink.recipients == [["a@example.com", "b@example.com"]]
    assert (received["from"], received["to"]) == ("headrace@example.com", "a@example.com, b@example.com")
    assert received["subject"] == "[Headrace] sales/daily: Failed"
    assert received["message-id"] == f"<{delivery.event_id}@headrace>"
    assert received["auto-submitted"] == "auto-generated"
    run = told.life.read(held.flow_run_id)
    lines = received.get_content().splitlines()
    assert lines == [
        f"sales/daily · {run.name}: Failed",
        *["größer als 3", ".", "Subject: forged", f"http://127.0.0.1:7400/flow-runs/{run.id}"],
    ]


def test_a_name_cannot_forge_a_header(sqlite_server: Server, sink: MailSink) -> None:
    told = Notified(sqlite_server)
    told.rule(told.channel(target=target(sink)), "Success", name="r", text="{flow}\r\nBcc: x@example.com")
    told.life.finish(told.life.running())
    told.deliver()
    (received,) = sink.mails
    assert received["bcc"] is None
    assert sink.recipients == [["ops@example.com"]]


def test_the_servers_settings_are_used_where_the_channel_has_none(sqlite_server: Server) -> None:
    sink = MailSink(auth=True)
    try:
        told = Notified(
            sqlite_server, smtp_url=f"smtp://me:p%40ss@127.0.0.1:{sink.port}", mail_from="server@example.com"
        )
        made = told.channel(target=wire.Mail(to=["a@example.com"]))
        assert made.channel.shown == "a@example.com"
        assert told.test(made.channel.id) == wire.Tested(
            delivered=True, sentence="delivered to a@example.com"
        )
        assert sink.signed_in == ["me p@ss"]
        assert sink.mails[0]["from"] == "server@example.com"
    finally:
        sink.close()


def test_a_recipient_that_is_refused_is_told_and_the_others_get_the_mail_once(
    told: Notified, sink: MailSink
) -> None:
    sink.refuses = {"RCPT TO:<GONE@": "550 no such user here"}
    told.rule(told.channel(target=target(sink, "a@example.com", "gone@example.com")), "Success")
    told.life.finish(told.life.running())
    told.deliver()
    (delivery,) = told.deliveries()
    assert (delivery.state, delivery.error) == ("delivered", "refused by the mail server: gone@example.com")
    assert sink.recipients == [["a@example.com"]]


@pytest.mark.parametrize(
    ("refuses", "words"),
    [
        ({"RCPT TO:": "550 kanarie"}, "refuses all recipients"),
        ({"MAIL FROM:": "451 kanarie"}, r"refuses the mail \(451\)"),
        ({"DATA": "554 kanarie"}, r"refuses the mail \(554\)"),
        ({"AUTH": "535 kanarie"}, r"refuses user and password \(535\)"),
        ({"EHLO": "421 kanarie", "HELO": "421 kanarie"}, "cannot be used|refuses"),
    ],
)
def test_a_refusal_is_said_without_the_mail_servers_own_words(
    sqlite_server: Server, refuses: dict[str, str], words: str
) -> None:
    sink = MailSink(auth=True)
    try:
        told = Notified(sqlite_server)
        sink.refuses = refuses
        made = told.channel(target=target(sink, user="me:secret@"))
        answer = told.test(made.channel.id)
        assert not answer.delivered
        assert re.search(words, answer.sentence), answer.sentence
        assert "kanarie" not in answer.sentence
    finally:
        sink.close()


def test_a_mail_server_that_falls_silent_is_left_in_time(
    told: Notified, sink: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "SECONDS", 1)
    sink.silent_at = "RCPT"
    made = told.channel(target=target(sink))
    answer = told.test(made.channel.id)
    assert answer == wire.Tested(
        delivered=False, sentence="the mail server 127.0.0.1 was not done within 1 s"
    )
    sink.silent_at = ""
    monkeypatch.setattr(mail, "SECONDS", 20)
    assert told.test(made.channel.id).delivered


def test_a_mail_server_inside_the_network_is_refused_unless_the_setting_names_it(
    sqlite_server: Server,
) -> None:
    told = Notified(sqlite_server)
    for url in ("smtp://169.254.169.254:25", "smtp://[::1]:25", "smtps://10.0.0.1"):
        made = told.channel(
            name=url, target=wire.Mail(to=["a@example.com"], sender="b@example.com", smtp_url=url)
        )
        assert "private or reserved network" in told.test(made.channel.id).sentence


def test_a_public_mail_server_without_tls_gets_nothing(
    told: Notified, sink: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sink plays a public server: what is checked is the address, which here is said to be public."""
    monkeypatch.setattr("headrace.web.outbound.is_public", lambda address: True)
    monkeypatch.setattr(mail, "PORTS", frozenset({sink.port}))
    answer = told.test(told.channel(target=target(sink)).channel.id)
    assert "offers no TLS" in answer.sentence
    assert sink.mails == []


@pytest.mark.parametrize("url", ["mail.example.com", "smtp://", "http://h", "smtp://h/path", "smtp://h:x"])
def test_a_wrong_setting_is_said_as_one(url: str) -> None:
    with pytest.raises(errors.SettingsError, match="smtp_url is smtp://"):
        relays.read_relay(url, own=True)
