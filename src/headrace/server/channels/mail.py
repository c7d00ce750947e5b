"""Mail by SMTP: through the server that the settings name, or through the channel's own."""

import asyncio
import contextlib
import dataclasses
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from headrace import errors
from headrace.server.channels import Note, Way

#: Seconds for a whole mail, and for each answer of the mail server.
SECONDS = 20
ANSWER_SECONDS = 10
#: Ports of public mail servers.
PORTS = frozenset({25, 465, 587, 2525})
MOST_RECIPIENTS = 50

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


@dataclasses.dataclass(frozen=True)
class Relay:
    """A mail server. `own`: the settings name it; then its address need not be public."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    own: bool


def read_relay(url: str, *, own: bool) -> Relay:
    """Takes smtp://user:password@host:port apart. Raises errors.Invalid, or SettingsError where the settings hold it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or not url.isprintable():
        sentence = (
            "smtp_url is smtp://USER:PASSWORD@HOST:PORT, or smtps://… where the connection begins with TLS"
        )
        raise (
            errors.SettingsError(sentence) if own else errors.Invalid(sentence, fields={"smtp_url": sentence})
        )
    tls = parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Relay(host, port or (465 if tls else 587), tls, user, password, own)


@dataclasses.dataclass(frozen=True)
class Mail:
    to: Sequence[str]
    sender: str
    smtp_url: str

    @property
    def shown(self) -> str:
        return ", ".join(self.to)

    def check(self, way: Way) -> None:
        if not 1 <= len(self.to) <= MOST_RECIPIENTS:
            sentence = f"from 1 to {MOST_RECIPIENTS} recipients"
            raise errors.Invalid(f"a mail goes to {sentence}", fields={"to": sentence})
        for address in (*self.to, *filter(None, (self.sender,))):
            if not _ADDRESS.fullmatch(address):
                raise errors.Invalid(
                    f"{address!r} is not an address of mail", fields={"to": "not an address"}
                )
        self._relay(way)
        self._from(way)

    async def send(self, note: Note, way: Way) -> str:
        relay = self._relay(way)
        address, private = await self._address(relay, way)
        session = _Session(relay, address, way.outbound.trusted())
        try:
            async with asyncio.timeout(SECONDS):
                refused = await asyncio.to_thread(
                    session.deliver, self._message(note, way), needs_tls=not private
                )
        except TimeoutError:
            raise errors.Undelivered(
                f"the mail server {relay.host} was not done within {SECONDS} s"
            ) from None
        finally:
            session.cut()  # ends the thread too, where it still waits for an answer
        return f"refused by the mail server: {', '.join(refused)}" if refused else ""

    def _relay(self, way: Way) -> Relay:
        url = self.smtp_url or way.settings.smtp_url
        if not url:
            sentence = "give smtp_url, or let an administrator set HEADRACE_SMTP_URL for the server"
            raise errors.Invalid(f"no mail server is known: {sentence}", fields={"smtp_url": sentence})
        return read_relay(url, own=not self.smtp_url)

    def _from(self, way: Way) -> str:
        sender = self.sender or way.settings.mail_from
        if not sender:
            sentence = "give sender, or let an administrator set HEADRACE_MAIL_FROM for the server"
            raise errors.Invalid(
                f"nobody is known whom the mail is from: {sentence}", fields={"sender": sentence}
            )
        return sender

    async def _address(self, relay: Relay, way: Way) -> tuple[str, bool]:
        """Where to connect to, and whether it may be spoken to without TLS."""
        if relay.own:
            return relay.host, True
        checked = await way.outbound.check(relay.host, relay.port, PORTS)
        return checked.addresses[0], checked.private

    def _message(self, note: Note, way: Way) -> EmailMessage:
        message = EmailMessage(policy=SMTP_LINES)
        message["Subject"] = " ".join(note.subject.split())
        message["From"] = self._from(way)
        message["To"] = ", ".join(self.to)
        message["Date"] = format_datetime(note.now)
        # the same for each repetition, so that mailboxes show it once
        message["Message-ID"] = f"<{note.event.event_id}@headrace>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(note.text + "\n")
        return message


class _Session(smtplib.SMTP):
    """Connects to an address that was checked, and believes in the certificate of the name."""

    def __init__(self, relay: Relay, address: str, tls: ssl.SSLContext) -> None:
        super().__init__(timeout=ANSWER_SECONDS)
        self._relay, self._address, self._tls = relay, address, tls
        self._host = relay.host  # the name for starttls

    def deliver(self, message: EmailMessage, *, needs_tls: bool) -> list[str]:
        """Sends it; the recipients that the server refused. Raises errors.Undelivered without the server's own words."""
        host = self._relay.host
        try:
            return self._deliver(message, needs_tls)
        except smtplib.SMTPAuthenticationError as error:
            raise errors.Undelivered(
                f"the mail server {host} refuses user and password ({error.smtp_code})"
            ) from None
        except smtplib.SMTPRecipientsRefused:
            raise errors.Undelivered(f"the mail server {host} refuses all recipients") from None
        except smtplib.SMTPResponseException as error:
            raise errors.Undelivered(f"the mail server {host} refuses the mail ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise errors.Undelivered(
                f"the mail server {host} lacks what is needed: signing in, or UTF-8"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise errors.Undelivered(
                f"the certificate of the mail server {host} is not accepted: {error.verify_message}"
            ) from None
        except OSError as error:  # SMTPException is one
            why = error.strerror or type(error).__name__
            raise errors.Undelivered(f"the mail server {host} cannot be used: {why}") from None

    def cut(self) -> None:
        """Ends the connection, whatever it waits for."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self.close()

    def _deliver(self, message: EmailMessage, needs_tls: bool) -> list[str]:
        relay = self._relay
        self.connect(relay.host, relay.port)
        self.ehlo_or_helo_if_needed()
        if not relay.tls and self.has_extn("starttls"):
            self.starttls(context=self._tls)
        elif not relay.tls and needs_tls:
            raise errors.Undelivered(
                f"the mail server {relay.host} offers no TLS: nothing is sent to it in the clear"
            )
        if relay.user:
            self.login(relay.user, relay.password)
        refused = self.send_message(message)
        self.quit()
        return sorted(refused)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """The place where `smtplib` lets a connection be made otherwise."""
        connection = socket.create_connection((self._address, port), timeout)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._relay.tls else connection
