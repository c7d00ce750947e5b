"""Queues: each distinct labels, kind of run config and priority that runs ever had. There are few of them.

An agent's claim finds the queues it can serve first, so that labels stand in the claim's WHERE and never after its LIMIT.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa

from headrace.core import labels as core_labels
from headrace.server import tables

_queues = tables.queues
_find = sa.select(_queues.c.id).where(
    _queues.c.labels_key == sa.bindparam("labels_key"),
    _queues.c.kind == sa.bindparam("kind"),
    _queues.c.priority == sa.bindparam("priority"),
)
_of_kinds = sa.select(_queues.c.id, _queues.c.labels, _queues.c.kind, _queues.c.priority).where(
    _queues.c.kind.in_(sa.bindparam("kinds", expanding=True))
)
_one = sa.select(_queues.c.id, _queues.c.labels, _queues.c.kind, _queues.c.priority).where(
    _queues.c.id == sa.bindparam("id")
)


class Queue(NamedTuple):
    id: int
    labels: frozenset[str]
    kind: str
    priority: int = 0


class Offer(NamedTuple):
    """What an agent takes."""

    labels: frozenset[str]
    takes_unlabelled: bool
    launches: frozenset[str]

    def serves(self, queue: Queue) -> bool:
        return queue.kind in self.launches and core_labels.matches(
            queue.labels, self.labels, takes_unlabelled=self.takes_unlabelled
        )


#: Queues that were entered in a transaction, so that many runs alike ask for theirs once.
Entered = dict[tuple[str, str, int], Queue]


def enter(
    connection: sa.Connection,
    labels: Collection[str],
    kind: str,
    priority: int = 0,
    entered: Entered | None = None,
) -> Queue:
    """The queue of runs with these labels (normalised), kind of run config and priority; made when it is new."""
    known = {} if entered is None else entered
    place = (",".join(labels), kind, priority)
    if place not in known:
        known[place] = _entered(connection, labels, kind, priority)
    return known[place]


def _entered(connection: sa.Connection, labels: Collection[str], kind: str, priority: int) -> Queue:
    key = {"labels_key": ",".join(labels), "kind": kind, "priority": priority}
    found = connection.execute(_find, key).scalar()
    if found is None:
        values = {**key, "labels": list(labels)}
        found = connection.execute(sa.insert(_queues).returning(_queues.c.id), values).scalar_one()
    return Queue(found, frozenset(labels), kind, priority)


def read(connection: sa.Connection, queue_id: int) -> Queue:
    row = connection.execute(_one, {"id": queue_id}).one()
    return Queue(row.id, frozenset(row.labels), row.kind, row.priority)


def served(connection: sa.Connection, offer: Offer) -> Iterable[Queue]:
    """The queues whose runs an agent with this offer takes."""
    rows = connection.execute(_of_kinds, {"kinds": sorted(offer.launches)})
    every = (Queue(row.id, frozenset(row.labels), row.kind, row.priority) for row in rows)
    return [queue for queue in every if offer.serves(queue)]
