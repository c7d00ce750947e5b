"""What the walk remembers of task runs under way: their tries, and the calls that the executor has."""

import dataclasses
import logging
import random
from typing import Any, NamedTuple

from headrace.engine import plan, task_runner
from headrace.executors import tracebacks

logger = logging.getLogger("headrace.task")


@dataclasses.dataclass(slots=True)
class Trial:
    """What a task run that is not at its first try carries from try to try."""

    attempt: int = 1
    loop_count: int = 1
    loop_value: Any = None
    key: str | None = None


class Flight(NamedTuple):
    """A call that the executor has."""

    walk: plan.Walk
    own: task_runner.Own
    looking: bool


def next_try(walk: plan.Walk, answer: task_runner.Answer, attempt: int) -> float | None:
    """In how many seconds to try again what ended so at this attempt, if at all."""
    if not answer.retryable or attempt > walk.options.retries:
        return None
    if answer.after is not None:
        return answer.after.total_seconds()
    try:
        return walk.options.delay_before(attempt, random.random()).total_seconds()  # noqa: S311 - jitter is no secret
    except Exception as error:  # noqa: BLE001 - a delay may be a user's function
        logger.error("task '%s': its retry_delay failed: %s", walk.slug, tracebacks.strip(error))  # noqa: TRY400 - source lines must not leave
        return None
