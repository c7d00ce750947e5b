"""What clients and agents were told, and when; and whether the server's history agrees.

Everybody's requests carry one monotonic clock, and every answer names the run's version. So nothing has to be searched:
if one answer had arrived before another request was sent, its version is not the higher one; and every version that was
ever named is in the run's history, with the state that was named with it.
"""

import collections
import dataclasses
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from nemesis import proxy

_RUN = re.compile(r"/api/flow_runs/([0-9a-f-]{36})/(\w+)")
_CLAIM = re.compile(r"/api/agents/([0-9a-f-]{36})/claim")


@dataclasses.dataclass(frozen=True)
class Seen:
    """An answer about a run. `asked`: when its request, or the first try of it, was sent; `told`: when it had arrived."""

    run: str
    what: str
    asked: float
    told: float
    version: int
    type: str
    name: str


@dataclasses.dataclass(frozen=True)
class Grant:
    """A claim's answer: this agent may execute this attempt. `request` is the claim's own name for itself."""

    run: str
    fence: int
    agent: str
    request: str


class Event(Protocol):
    """A row of the server's history. Only a move changes the state; a note tells what somebody said too late."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def state_type(self) -> str: ...
    @property
    def state_name(self) -> str: ...


class History:
    """Told by many threads."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.grants: set[Grant] = set()
        self._lock = threading.Lock()

    def add(self, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)

    def witness(self, agent: str, delivered: proxy.Delivered) -> None:
        """An answer that an agent, or a supervisor beside it, was given."""
        if delivered.status >= 300 or not delivered.answer.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return
        if _CLAIM.fullmatch(delivered.path):
            self._add_grant(agent, delivered)
        elif found := _RUN.fullmatch(delivered.path):
            said = msgspec.json.decode(delivered.answer.body)
            if isinstance(said, dict) and {"state", "version", "fence"} <= said.keys():
                state = said["state"]
                self.add(
                    Seen(
                        found[1],
                        found[2],
                        delivered.began,
                        delivered.ended,
                        said["version"],
                        state["type"],
                        state["name"],
                    )
                )

    def _add_grant(self, agent: str, delivered: proxy.Delivered) -> None:
        given = msgspec.json.decode(delivered.answer.body)["assignment"]
        if given is not None:
            key = delivered.request.headers.get("idempotency-key", "")
            with self._lock:
                self.grants.add(Grant(given["flow_run_id"], given["fence"], agent, key))


def violations(history: History, events: Mapping[str, Sequence[Event]]) -> Iterator[str]:
    """Every answer that cannot be true."""
    by_run: dict[str, list[Seen]] = collections.defaultdict(list)
    for seen in history.seen:
        by_run[seen.run].append(seen)
    for run, all_seen in by_run.items():
        yield from _disorder(run, all_seen)
        yield from _absent(run, all_seen, _states(events.get(run, ())))
    yield from _granted_twice(history.grants)


def _disorder(run: str, all_seen: list[Seen]) -> Iterator[str]:
    """Answers that went back in time: the highest version told before each request, kept while walking along the clock."""
    told = sorted(all_seen, key=lambda seen: seen.told)
    highest: Seen | None = None
    place = 0
    for seen in sorted(all_seen, key=lambda seen: seen.asked):
        while place < len(told) and told[place].told < seen.asked:
            if highest is None or told[place].version > highest.version:
                highest = told[place]
            place += 1
        if highest is not None and seen.version < highest.version:
            yield (
                f"{run}: {seen.what} was told version {seen.version}, asked {seen.asked - highest.told:.3f} s after"
                f" {highest.what} had been told {highest.version}"
            )


def _states(events: Sequence[Event]) -> dict[int, Event]:
    """The move that made the state of each version."""
    found: dict[int, Event] = {}
    for event in events:
        found[event.seq] = event if event.kind == "move" or not found else found[max(found)]
    return found


def _absent(run: str, all_seen: list[Seen], events: Mapping[int, Event]) -> Iterator[str]:
    """Answers of which the history knows nothing: writes that were acknowledged and lost, or states that never were."""
    for version, type_, name, what in sorted(
        {(one.version, one.type, one.name, one.what) for one in all_seen}
    ):
        event = events.get(version)
        if event is None:
            yield f"{run}: {what} was told version {version}, {name}, and it is not in the history"
        elif (event.state_type, event.state_name) != (type_, name):
            yield f"{run}: {what} was told {name} at version {version}, and the history says {event.state_name}"


def _granted_twice(grants: set[Grant]) -> Iterator[str]:
    by_attempt: dict[tuple[str, int], list[Grant]] = collections.defaultdict(list)
    for grant in grants:
        by_attempt[grant.run, grant.fence].append(grant)
    for (run, fence), given in by_attempt.items():
        if len({(grant.agent, grant.request) for grant in given}) > 1:
            yield f"{run}: attempt {fence} was granted twice: {given}"


def versions(events: Mapping[str, Sequence[Any]]) -> int:
    """How many there are in all."""
    return sum(len(each) for each in events.values())
