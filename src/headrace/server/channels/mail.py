"""Mail by SMTP: through the server that the settings name, or through the channel's own."""

import asyncio
import dataclasses
import re
from collections.abc import Sequence

from headrace import errors
from headrace.server.channels import Letter, Note, Way, relays

#: Seconds for a whole mail.
SECONDS = 20
#: Ports of public mail servers.
PORTS = frozenset({25, 465, 587, 2525})
MOST_RECIPIENTS = 50

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


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
        return await self.post(Letter(note.event.event_id, note.subject, note.text, note.now), way)

    async def post(self, letter: Letter, way: Way) -> str:
        """`send` for what is no notification."""
        from headrace.server.channels import smtp  # with smtplib and email 40 ms, for servers that send mail

        relay = self._relay(way)
        address, private = await self._address(relay, way)
        message = smtp.message(letter, self._from(way), self.to)
        session = smtp.Session(relay, address, way.outbound.trusted())
        try:
            async with asyncio.timeout(SECONDS):
                refused = await asyncio.to_thread(session.deliver, message, needs_tls=not private)
        except TimeoutError:
            raise errors.Undelivered(
                f"the mail server {relay.host} was not done within {SECONDS} s"
            ) from None
        finally:
            session.cut()  # ends the thread too, where it still waits for an answer
        return f"refused by the mail server: {', '.join(refused)}" if refused else ""

    def _relay(self, way: Way) -> relays.Relay:
        url = self.smtp_url or way.settings.smtp_url
        if not url:
            sentence = "give smtp_url, or let an administrator set HEADRACE_SMTP_URL for the server"
            raise errors.Invalid(f"no mail server is known: {sentence}", fields={"smtp_url": sentence})
        return relays.read_relay(url, own=not self.smtp_url)

    def _from(self, way: Way) -> str:
        sender = self.sender or way.settings.mail_from
        if not sender:
            sentence = "give sender, or let an administrator set HEADRACE_MAIL_FROM for the server"
            raise errors.Invalid(
                f"nobody is known whom the mail is from: {sentence}", fields={"sender": sentence}
            )
        return sender

    async def _address(self, relay: relays.Relay, way: Way) -> tuple[str, bool]:
        """Where to connect to, and whether it may be spoken to without TLS."""
        if relay.own:
            return relay.host, True
        checked = await way.outbound.check(relay.host, relay.port, PORTS)
        return checked.addresses[0], checked.private
