"""What tests of mails to people share: a server with a mail server, whose mails are read."""

import re
from email.message import EmailMessage

import msgspec

from headrace.server.mail import Postbox
from receivers import MailSink
from running import Server


class Mailed:
    """A server that sends mails to a sink."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sink = MailSink()
        server.service.settings = msgspec.structs.replace(
            server.service.settings,
            smtp_url=f"smtp://127.0.0.1:{self.sink.port}",
            mail_from="headrace@example.com",
        )

    @property
    def mails(self) -> list[EmailMessage]:
        """What has come, once nothing is on its way."""
        self.server.run(self.server.service.part(Postbox).emptied())
        return self.sink.mails

    def token(self, page: str) -> str:
        """The token in the last mail's link to this page."""
        found = re.search(rf"http://127\.0\.0\.1:7400/{page}\?token=(\w+)\b", self.mails[-1].get_content())
        assert found is not None, self.mails[-1].get_content()
        return found[1]

    def close(self) -> None:
        self.server.run(self.server.service.part(Postbox).emptied())
        self.sink.close()
