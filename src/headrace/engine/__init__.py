"""What runs a flow run: the walk over the graph, one task's pipeline, results, reports, and the processes around them.

The contract between the walk and those who listen: a `Reporter` is told each state of each task run and never blocks it;
it tells the walk what the server orders.
"""

from collections.abc import Callable
from typing import Protocol

from headrace.core import states
from headrace.wire import artifacts, runs


class Reporter(Protocol):
    """Hears of every state of every task run, from the coordinator's thread, in order."""

    def task(
        self,
        slug: str,
        map_index: int,
        state: states.State,
        *,
        attempt: int = 1,
        result: runs.ResultRef | None = None,
    ) -> None:
        """One task run (`map_index` −1: the task itself, or the parent of mapped children) has entered a state."""
        ...

    def artifact(self, record: artifacts.ArtifactRecord) -> None:
        """A task shows something; from any thread."""
        ...

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        """`cancel` is to be called, from any thread, when the run is to end as Cancelled."""
        ...


class Silent:
    """The reporter of a run without a server."""

    def task(
        self,
        slug: str,
        map_index: int,
        state: states.State,
        *,
        attempt: int = 1,
        result: runs.ResultRef | None = None,
    ) -> None:
        pass

    def artifact(self, record: artifacts.ArtifactRecord) -> None:
        pass

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        pass
