"""Webhooks: the event as JSON, signed with the channel's own secret."""

import dataclasses
import hashlib
import hmac

import msgspec

from headrace.server.channels import Note, Way, replies
from headrace.web import targets


@dataclasses.dataclass(frozen=True)
class Webhook:
    url: str
    signing_secret: str

    @property
    def shown(self) -> str:
        return targets.read_url(self.url).place

    def check(self, way: Way) -> None:
        targets.read_url(self.url)

    async def send(self, note: Note, way: Way) -> str:
        body = msgspec.json.encode(note.event)
        moment = int(note.now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "Headrace-Event-Id": str(note.event.event_id),
            "Headrace-Signature": f"t={moment},v1={signature(self.signing_secret, moment, body)}",
        }
        reply = await way.outbound.send("POST", self.url, headers=headers, body=body)
        replies.accept(targets.read_url(self.url).host, reply)
        return ""


def signature(secret: str, moment: int, body: bytes) -> str:
    """HMAC-SHA256 of "SECONDS.BODY": the time in it keeps an old message from being sent again by somebody else."""
    return hmac.new(secret.encode(), b"%d.%b" % (moment, body), hashlib.sha256).hexdigest()
