"""How many answers may be held back at once, by one caller and in all, so that none of them takes the server's memory (F52)."""

import contextlib
import random
from collections import Counter
from collections.abc import Generator
from uuid import UUID

from headrace import errors
from headrace.web.handlers import Caller

#: One held request takes some 16 KiB.
BY_ONE = 1_000
IN_ALL = 10_000
#: Seconds after which who was refused may ask again, spread so that not all come at once.
AGAIN = (5, 10)


class Polls:
    """One a service: `service.part(polls.Polls)`. Used on the event loop's thread only."""

    def __init__(self) -> None:
        self.by_one = BY_ONE
        self.in_all = IN_ALL
        self._held: Counter[UUID | None] = Counter()

    @contextlib.contextmanager
    def held(self, caller: Caller) -> Generator[None]:
        """Inside, one more answer is held for the caller's key. Raises errors.TooManyRequests."""
        key = caller.key_id or caller.id
        for count, most, whose in (
            (self._held[key], self.by_one, "this key has"),
            (self._held.total(), self.in_all, "the server has"),
        ):
            if count >= most:
                raise errors.TooManyRequests(
                    f"{whose} {count} requests that wait; more are not held. Wait a moment, or use fewer agents.",
                    retry_after=random.randint(*AGAIN),  # noqa: S311 - spreads the tries, hides nothing
                )
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
