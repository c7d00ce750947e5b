"""Whatever the library Apprise can reach, where it is installed beside the server.

Apprise connects by itself, past the checks of `web/outbound.py`. So a URL that names a host of its own is refused unless
the setting `private_receivers` names that host; the others lead to their vendors' addresses.
"""

import asyncio
import dataclasses
from typing import Any

from headrace import errors
from headrace.server.channels import Note, Way

#: Longer than Apprise's own limits of a connection and an answer together.
SECONDS = 20


@dataclasses.dataclass(frozen=True)
class AppriseUrl:
    url: str

    @property
    def shown(self) -> str:
        return f"{self.url.partition(':')[0]}://…"

    def check(self, way: Way) -> None:
        self._plugin(way)

    async def send(self, note: Note, way: Way) -> str:
        # on a thread from the start: the first use of the library takes a second
        try:
            sent = await asyncio.wait_for(asyncio.to_thread(self._notify, note, way), SECONDS)
        except TimeoutError:
            raise errors.Undelivered(f"Apprise was not done within {SECONDS} s") from None
        except errors.HeadraceError:
            raise
        except Exception as error:  # noqa: BLE001 - its plugins raise what they like, perhaps with the URL in the text
            raise errors.Undelivered(f"Apprise failed: {type(error).__name__}") from None
        if not sent:
            raise errors.Undelivered(f"Apprise could not deliver to {self.shown}")
        return ""

    def _notify(self, note: Note, way: Way) -> bool:
        return bool(self._plugin(way).notify(body=note.text, title=note.subject))

    def _plugin(self, way: Way) -> Any:
        try:
            import apprise
        except ModuleNotFoundError:
            raise errors.Invalid(
                "Apprise is not installed beside the server: pip install apprise",
                fields={"url": "needs Apprise"},
            ) from None
        library: Any = apprise  # its types are not whole
        plugin = library.Apprise.instantiate(self.url, suppress_exceptions=True)
        if plugin is None:
            raise errors.Invalid("this is not a URL of Apprise", fields={"url": "not a URL of Apprise"})
        if self.url.lower().startswith(("mailto:", "mailtos:")):
            raise errors.Invalid("mails have a channel of their own kind: mail", fields={"url": "take mail"})
        hosts = any("{host}" in template for template in plugin.templates)
        if hosts and not way.outbound.names(str(plugin.host)):
            raise errors.Invalid(
                "an Apprise URL with a host of its own is used only where an administrator of the server names the"
                " host in the setting private_receivers",
                fields={"url": "its host is not named in private_receivers"},
            )
        return plugin
