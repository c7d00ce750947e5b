"""What runs the tasks inside a run, as data: a flow names one, `headrace.executors` builds it in the run process."""

from typing import Any

from headrace import wire


class LocalExecutor(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """One task after another, in the run's own thread."""


class ThreadExecutor(wire.Message, frozen=True, tag="thread", tag_field="kind"):
    """Tasks on `workers` threads of the run process."""

    workers: int = 8


class ProcessExecutor(wire.Message, frozen=True, tag="process", tag_field="kind"):
    """Tasks in `workers` processes of their own (None: one for each core)."""

    workers: int | None = None


class DaskExecutor(wire.Message, frozen=True, kw_only=True, tag="dask", tag_field="kind"):
    """Tasks on a Dask cluster: the one at `address`, or one of the run's own.

    The run's own is made by calling `cluster_class`, the dotted name of a class, with `cluster_kwargs`, and closed with
    the run; it is `distributed.LocalCluster` if neither is given. With `adapt_kwargs` (`{"minimum": 0, "maximum": 10}`) it
    grows and shrinks with what there is to do. The server keeps all of it: write no passwords here.
    """

    address: str | None = None
    cluster_class: str | None = None
    cluster_kwargs: dict[str, Any] = {}
    adapt_kwargs: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        own = self.cluster_class is not None or self.cluster_kwargs or self.adapt_kwargs is not None
        if self.address is not None and own:
            raise ValueError("DaskExecutor: give an address, or a cluster class and its arguments, not both")


Executor = LocalExecutor | ThreadExecutor | ProcessExecutor | DaskExecutor
