"""Slots of limited tags: task runs that have one of them wait here until the server gives them their slots.

A run whose tags are not limited, or that has no server, has the gate that is open and costs nothing.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from uuid import UUID

from headrace import client, errors
from headrace.core import states
from headrace.wire import limits, operations

#: A request that is held cannot hear of task runs that come to the gate meanwhile, so it is not held for long.
WAIT_SECONDS = 1.0
#: How often the coordinator looks whether slots have come, while it waits for some.
LOOK_SECONDS = 0.05
#: Task runs in one request.
MOST = 1000
#: Until a server that refused or did not answer is asked again.
PAUSE_SECONDS = 1.0

Place = tuple[str, int]
#: Asks for slots of all these, and waits a while for the first.
Ask = Callable[[list[limits.TaskWant]], Iterable[limits.TaskGrant]]


class Gate:
    """Used from the coordinator's thread; a thread of its own asks, from the first that has to wait on."""

    def __init__(self, limited: Collection[str] = (), ask: Ask = lambda wants: ()) -> None:
        #: The tags whose tasks must have a slot.
        self.limited = frozenset(limited)
        #: The task runs that wait, by slug and map index, with the attempt that they wait for.
        self.waiting: dict[Place, int] = {}
        self._ask = ask
        self._passed: dict[Place, int] = {}
        self._wants: dict[Place, limits.TaskWant] = {}
        self._granted: list[Place] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def hold_back(
        self, slug: str, map_index: int, attempt: int, tags: Collection[str]
    ) -> states.State | None:
        """The state of a task run that must wait for slots of its tags; None when it may run at this attempt."""
        wanted = sorted(self.limited.intersection(tags))
        place = slug, map_index
        if not wanted or self._passed.get(place) == attempt:
            return None
        self.waiting[place] = attempt
        with self._changed:
            self._wants[place] = limits.TaskWant(slug=slug, map_index=map_index, attempt=attempt, tags=wanted)
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="headrace-slots", daemon=True)
            self._thread.start()
        what = f"the tag {wanted[0]}" if len(wanted) == 1 else f"the tags {', '.join(wanted)}"
        return states.State(
            states.StateType.SCHEDULED, "Scheduled", datetime.now(UTC), f"waits for a slot of {what}"
        )

    def patience(self, otherwise: float | None) -> float | None:
        """How long the coordinator may wait for something else, given how long it would."""
        if not self.waiting:
            return otherwise
        return LOOK_SECONDS if otherwise is None else min(otherwise, LOOK_SECONDS)

    def arrived(self) -> list[Place]:
        """Those that have got their slots since this was asked last."""
        if not self.waiting:
            return []
        with self._changed:
            found, self._granted = self._granted, []
        for place in found:
            self._passed[place] = self.waiting.pop(place)
        return found

    def close(self) -> list[Place]:
        """Nobody waits any more; who did until now. A slot that is given after this is freed when the run ends."""
        left = list(self.waiting)
        self.waiting.clear()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return left

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wants or self._closed)
                if self._closed:
                    return
                wants = list(self._wants.values())[:MOST]
            try:
                granted = self._ask(wants)
            except errors.HeadraceError:  # a refusal is the reporter's to act on, which hears it too
                granted = ()
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, PAUSE_SECONDS)
            with self._changed:
                for grant in granted:
                    place = grant.slug, grant.map_index
                    if self._wants.pop(place, None) is not None:
                        self._granted.append(place)


def asking(api: client.Client, flow_run_id: UUID, fence: int) -> Ask:
    """Asks this server, as this attempt of the run."""

    def ask(wants: list[limits.TaskWant]) -> Iterable[limits.TaskGrant]:
        request = limits.AcquireTaskSlots(
            flow_run_id=flow_run_id, fence=fence, wants=wants, wait_seconds=WAIT_SECONDS
        )
        return api.call(operations.acquire_task_slots, request, timeout=WAIT_SECONDS + 15).granted

    return ask
