"""What holds for a whole walk: the run's facts, who hears of it, where results are, what is known from before."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from headrace import engine
from headrace.core import states
from headrace.engine import results
from headrace.graph import context
from headrace.wire import runs


class Known(NamedTuple):
    """What an earlier attempt of the run recorded of a task run."""

    state: states.State
    result: runs.ResultRef | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for the whole run. `approve` is asked where a task pauses; without it the run ends Paused."""

    run: context.Run
    reporter: engine.Reporter
    store: results.ResultStore
    known: Mapping[tuple[str, int], Known]
    unreadable_fails: bool
    approve: Callable[[str, int, str], bool] | None
    log_prints: bool
    persist: bool
