"""A mail, and the talk with the mail server that takes it."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime

from headrace import errors
from headrace.server.channels import Letter, relays

#: Seconds for each answer of the mail server.
ANSWER_SECONDS = 10


def message(letter: Letter, sender: str, to: Sequence[str]) -> EmailMessage:
    """The mail. Its id is the same for each repetition, so that mailboxes show it once."""
    made = EmailMessage(policy=SMTP_LINES)
    made["Subject"] = " ".join(letter.subject.split())
    made["From"] = sender
    made["To"] = ", ".join(to)
    made["Date"] = format_datetime(letter.now)
    made["Message-ID"] = f"<{letter.id}@headrace>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(letter.text + "\n")
    return made


class Session(smtplib.SMTP):
    """Connects to an address that was checked, and believes in the certificate of the name."""

    def __init__(self, relay: relays.Relay, address: str, tls: ssl.SSLContext) -> None:
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
