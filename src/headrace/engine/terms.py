"""What holds for a whole walk: the run's facts, who hears of it, where results are, what is known from before."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from headrace import engine
from headrace.core import states
from headrace.engine import gate, results
from headrace.graph import context
from headrace.wire import runs


class Known(NamedTuple):
    """What is recorded of a task run: by an earlier attempt of the run, or by the run that it is a re-run of.

    `origin` is then that run. A task run of it without a result is taken over too: nobody needs its value.
    """

    state: states.State
    result: runs.ResultRef | None = None
    origin: str = ""


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
    largest: int | None
    tag_slots: gate.Gate
