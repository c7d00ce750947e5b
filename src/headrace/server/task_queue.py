"""Task runs that wait for a slot of a tag's limit: which held requests are woken when one is freed. On the event loop's thread only.

A hint in memory; the database decides who gets the slot.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable
from uuid import UUID

from headrace.server.service import Hold


class TaskQueue:
    """One a service: `service.part(task_queue.TaskQueue)`."""

    def __init__(self) -> None:
        self._holds: dict[str, set[Hold]] = {}
        #: How many task runs of each flow run wait for a tag, as its last request found it.
        self._waiting: dict[str, dict[UUID, int]] = {}
        #: Tells the other servers.
        self.elsewhere: Callable[[str], None] = _nobody

    def wake(self, tag: str) -> None:
        """Slots of this tag have become free, or its limit has been changed."""
        self.heard(tag)
        self.elsewhere(tag)

    def heard(self, tag: str = "") -> None:
        """Another server says so; without a tag, of any."""
        for each in (tag,) if tag else tuple(self._holds):
            for hold in self._holds.get(each, ()):
                hold.wake()

    def wait(self, run_id: UUID, tags: dict[str, int]) -> None:
        """So many task runs of this run wait for each tag now."""
        for tag in [tag for tag, runs in self._waiting.items() if run_id in runs and tag not in tags]:
            del self._waiting[tag][run_id]
            if not self._waiting[tag]:
                del self._waiting[tag]
        for tag, count in tags.items():
            self._waiting.setdefault(tag, {})[run_id] = count

    def waiting(self, tag: str) -> dict[UUID, int]:
        """How many task runs of which flow runs wait for this tag at this server."""
        return dict(self._waiting.get(tag, {}))

    @contextlib.contextmanager
    def asking(self, run_id: UUID) -> Generator[None]:
        """Inside, the run's request is held; after it none of its task runs waits."""
        try:
            yield
        finally:
            self.wait(run_id, {})

    @contextlib.contextmanager
    def listening(self, tags: Iterable[str], hold: Hold) -> Generator[None]:
        """Inside, `wake` ends the hold."""
        heard = frozenset(tags)
        for tag in heard:
            self._holds.setdefault(tag, set()).add(hold)
        try:
            yield
        finally:
            for tag in heard:
                self._holds[tag].discard(hold)
                if not self._holds[tag]:
                    del self._holds[tag]


def _nobody(tag: str) -> None:
    """There are no other servers."""
