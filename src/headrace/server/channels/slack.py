"""Slack's incoming webhooks, and those of Mattermost and others that take the same."""

import dataclasses

import msgspec

from headrace.server.channels import Note, Way
from headrace.server.channels.posts import Post


@dataclasses.dataclass(frozen=True)
class Slack(Post):
    async def send(self, note: Note, way: Way) -> str:
        await self.post(way, msgspec.json.encode({"text": escaped(note.text)}), {})
        return ""


def escaped(text: str) -> str:
    """Slack's own three: without them a run's message could call everybody with `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
