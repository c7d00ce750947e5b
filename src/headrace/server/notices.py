"""Who is told that something changed: topics, and the listeners that wait for them. On the event loop's thread only.

A topic is a word (`flows`, `flow_runs`, `agents`) or a word and an id (`flow_run:ID`, `logs:ID`). A notice says which topic
changed and nothing of what: whoever hears it reads again, with their own rights.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable


class Listener:
    """One who waits for topics. What changed while nobody waited is kept, each topic once."""

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._woken = asyncio.Event()

    def hear(self, topic: str) -> None:
        self._changed.add(topic)
        self._woken.set()

    async def wait(self) -> frozenset[str]:
        """The topics that changed since the last call; at least one."""
        await self._woken.wait()
        self._woken.clear()
        changed = frozenset(self._changed)
        self._changed.clear()
        return changed


class Notices:
    """The listeners of one server, by topic."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        #: Tells the other servers' listeners.
        self.elsewhere: Callable[[str], None] = _nobody

    @property
    def topics(self) -> frozenset[str]:
        """What somebody listens to."""
        return frozenset(self._listeners)

    def changed(self, topic: str) -> None:
        """Tells who listens to this topic, at every server."""
        self.heard(topic)
        self.elsewhere(topic)

    def heard(self, topic: str = "") -> None:
        """Tells who listens to this topic here, or to any where none is named."""
        for each in (topic,) if topic else tuple(self._listeners):
            self._tell(each)

    def _tell(self, topic: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.hear(topic)

    def listen(self, listener: Listener, topics: Iterable[str]) -> None:
        """From now on the listener hears of exactly these topics. Of a new one it hears at once: what changed between its
        reading and this moment was told to nobody.
        """
        before = listener.topics
        self.forget(listener)
        listener.topics = frozenset(topics)
        for topic in listener.topics:
            self._listeners[topic].add(listener)
            if topic not in before:
                listener.hear(topic)

    def forget(self, listener: Listener) -> None:
        """The listener hears of nothing any more."""
        for topic in listener.topics:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]
        listener.topics = frozenset()


def _nobody(topic: str) -> None:
    """There are no other servers."""
