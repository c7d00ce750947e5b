"""Notification rules as moves see them: known in memory, so that a move asks no database where nobody wants to be told."""

import dataclasses
import re
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core import moves, states
from headrace.server import tables
from headrace.web.handlers import Call

_rules = tables.notification_rules

#: What is not a state of a run and can be told all the same: shown as late; an SLA was missed.
LATE, MISSED = "Late", "SlaMissed"
PLACEHOLDERS = ("project", "flow", "run", "state", "message", "at", "attempt", "labels", "rule", "sla", "url")

#: How long what is in memory is believed. Other servers may have other rules; on a database of one's own nobody has.
TRUSTED_SHARED, TRUSTED_ALONE = 3.0, 60.0

_read = sa.select(
    *[_rules.c.id, _rules.c.name, _rules.c.channel_id, _rules.c.states, _rules.c.project_id],
    *[_rules.c.flow_id, _rules.c.labels, _rules.c.text],
).order_by(_rules.c.id)
_placeholder = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


def _words() -> tuple[str, ...]:
    """The names of the states to which a move leads that writes the outbox, and the two that are derived."""
    found: list[str] = []
    for move in moves.FLOW_RUN_MOVES:
        if moves.Effect.OUTBOX in move.effects:
            found += states.NAMES[move.after] if move.name is None else (move.name,)
    return tuple(dict.fromkeys([*found, LATE, MISSED]))


#: What a rule may name.
WORDS = _words()


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule as moves see it."""

    id: UUID
    name: str
    channel_id: UUID
    words: frozenset[str]
    project_id: UUID | None
    flow_id: UUID | None
    labels: frozenset[str]
    text: str

    def may_want(self, words: Iterable[str], flow_id: UUID) -> bool:
        """Whether it could be about this, as far as a move knows; `wants` knows the rest."""
        return self.flow_id in (None, flow_id) and not self.words.isdisjoint(words)

    def wants(self, project_id: UUID, run_labels: Iterable[str]) -> bool:
        return self.project_id in (None, project_id) and self.labels <= set(run_labels)


class Rules:
    """What is known of the rules: `service.part(Rules)`. Used on any thread."""

    def __init__(self) -> None:
        self._known: tuple[Rule, ...] = ()
        self._until = 0.0
        #: Counts the changes: what was read before one is not believed after it.
        self._changes = 0
        #: How often the database was asked, for tests.
        self.reads = 0

    def current(self, call: Call[Any]) -> tuple[Rule, ...]:
        """The rules in force. No statement, but for one where nobody has refreshed them in time."""
        return self._known if time.monotonic() < self._until else self.refresh(call)

    def refresh(self, call: Call[Any]) -> tuple[Rule, ...]:
        changes = self._changes
        self.reads += 1
        known = tuple(_rule(row) for row in call.connection.execute(_read))
        if changes == self._changes:
            trusted = TRUSTED_SHARED if call.service.database.shared else TRUSTED_ALONE
            self._known, self._until = known, time.monotonic() + trusted
        return known

    def forget(self) -> None:
        """They have changed."""
        self._changes += 1
        self._until = 0.0


def rendered(text: str, values: dict[str, str]) -> str:
    """The text with its placeholders replaced, each once: what is put in is not looked at again."""
    return _placeholder.sub(lambda found: values[found[1]], text)


def _rule(row: sa.Row[Any]) -> Rule:
    return Rule(
        row.id,
        row.name,
        row.channel_id,
        frozenset(row.states),
        row.project_id,
        row.flow_id,
        frozenset(row.labels),
        row.text,
    )
