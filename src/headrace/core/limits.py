"""Concurrency limits: what they are of, and what becomes of a run that finds one full."""

import enum

#: The largest limit: each slot is a row.
LARGEST = 10_000
#: Priorities are few, for each has queues of its own. Higher ones go first.
PRIORITIES = range(-10, 11)
#: How many slots a run may take of each limit.
SLOTS = range(1, LARGEST + 1)


class Kind(enum.StrEnum):
    """What a limit is of. Limits of flows and labels count flow runs, limits of tags count task runs."""

    FLOW = "flow"
    LABEL = "label"
    TAG = "tag"


class WhenFull(enum.StrEnum):
    """What becomes of a flow run whose turn it is while the limit is full.

    `queue`: it waits. `skip`: one that a schedule made is passed over, what people and programs ask for waits.
    `cancel_new`: it is cancelled, whoever asked for it.
    """

    QUEUE = "queue"
    SKIP = "skip"
    CANCEL_NEW = "cancel_new"


def cancels(policy: WhenFull, *, scheduled: bool, attempt: int) -> bool:
    """Whether a run that finds the limit full ends as Cancelled. One that has been tried before is not new: it waits."""
    if attempt or policy is WhenFull.QUEUE:
        return False
    return scheduled or policy is WhenFull.CANCEL_NEW


def problems(priority: int | None, slots: int | None) -> dict[str, str]:
    """What is wrong with a run's or a flow's priority and slots, by field; None: nothing was said."""
    given = {"priority": (priority, PRIORITIES), "slots": (slots, SLOTS)}
    return {
        field: f"must be from {allowed[0]} to {allowed[-1]}, not {value}"
        for field, (value, allowed) in given.items()
        if value is not None and value not in allowed
    }


def needed(slots: int, size: int) -> int:
    """How many slots of a limit of this size a run takes that wants so many: one larger than the limit takes all of it."""
    return max(1, min(slots, size))
