"""Channels: the kinds of places that messages go to. Each kind is a module that knows none of the others."""

import dataclasses
from datetime import datetime
from typing import Protocol
from uuid import UUID

from headrace.settings import Settings
from headrace.web.outbound import Outbound
from headrace.wire import notifications


@dataclasses.dataclass(frozen=True)
class Letter:
    """What a mail says. `id` stays the same when it is sent again; `now` is when it is sent."""

    id: UUID
    subject: str
    text: str
    now: datetime


@dataclasses.dataclass(frozen=True)
class Note:
    """One message. `text` has no markup; `now` is when it is sent."""

    subject: str
    text: str
    event: notifications.Event
    now: datetime


@dataclasses.dataclass(frozen=True)
class Way:
    """How messages leave the server."""

    outbound: Outbound
    settings: Settings


class Channel(Protocol):
    """A place to send to. Nothing that it raises or returns tells a secret of it."""

    @property
    def shown(self) -> str:
        """What may be shown of where it leads."""
        ...

    def check(self, way: Way) -> None:
        """Raises errors.Invalid in words where it can never work."""
        ...

    async def send(self, note: Note, way: Way) -> str:
        """Sends it. Returns a remark, mostly empty. Raises errors.Undelivered with the reason."""
        ...
