"""What the walk remembers of task runs under way: their tries, and the calls that the executor has."""

import dataclasses
from typing import Any, NamedTuple

from headrace.engine import plan, task_runner


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
