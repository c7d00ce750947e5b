"""Messages that are one POST of JSON to a URL."""

import dataclasses

from headrace.server.channels import Way, replies
from headrace.web import targets


@dataclasses.dataclass(frozen=True)
class Post:
    url: str

    @property
    def shown(self) -> str:
        return targets.read_url(self.url).place

    def check(self, way: Way) -> None:
        targets.read_url(self.url)

    async def post(self, way: Way, body: bytes, headers: dict[str, str]) -> None:
        """Raises errors.Undelivered where it is not taken."""
        reply = await way.outbound.send(
            "POST", self.url, headers={"Content-Type": "application/json", **headers}, body=body
        )
        replies.accept(targets.read_url(self.url).host, reply)
