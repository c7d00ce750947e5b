"""Slack's incoming webhooks, and those of Mattermost and others that take the same."""

import dataclasses

import msgspec

from headrace.server.channels import Note, Way, replies
from headrace.web import targets


@dataclasses.dataclass(frozen=True)
class Slack:
    url: str

    @property
    def shown(self) -> str:
        return targets.read_url(self.url).place

    def check(self, way: Way) -> None:
        targets.read_url(self.url)

    async def send(self, note: Note, way: Way) -> str:
        body = msgspec.json.encode({"text": escaped(note.text)})
        headers = {"Content-Type": "application/json"}
        reply = await way.outbound.send("POST", self.url, headers=headers, body=body)
        replies.accept(targets.read_url(self.url).host, reply)
        return ""


def escaped(text: str) -> str:
    """Slack's own three: without them a run's message could call everybody with `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
