"""Webhooks: the event as JSON, signed with the channel's own secret."""

import dataclasses
import hashlib
import hmac

import msgspec

from headrace.server.channels import Note, Way
from headrace.server.channels.posts import Post


@dataclasses.dataclass(frozen=True)
class Webhook(Post):
    #: The channel's own, and for a while the one that it had before.
    signing_secrets: tuple[str, ...]

    async def send(self, note: Note, way: Way) -> str:
        body = msgspec.json.encode(note.event)
        moment = int(note.now.timestamp())
        headers = {
            "Headrace-Event-Id": str(note.event.event_id),
            "Headrace-Signature": ",".join(
                [f"t={moment}", *(f"v1={signature(each, moment, body)}" for each in self.signing_secrets)]
            ),
        }
        await self.post(way, body, headers)
        return ""


def signature(secret: str, moment: int, body: bytes) -> str:
    """HMAC-SHA256 of "SECONDS.BODY": the time in it keeps an old message from being sent again by somebody else."""
    return hmac.new(secret.encode(), b"%d.%b" % (moment, body), hashlib.sha256).hexdigest()
