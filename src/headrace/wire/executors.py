"""What runs the tasks inside a run, as data: a flow names one, `headrace.executors` builds it in the run process."""

from headrace import wire


class LocalExecutor(wire.Message, frozen=True, tag="local", tag_field="kind"):
    """One task after another, in the run's own thread."""


class ThreadExecutor(wire.Message, frozen=True, tag="thread", tag_field="kind"):
    """Tasks on `workers` threads of the run process."""

    workers: int = 8


class ProcessExecutor(wire.Message, frozen=True, tag="process", tag_field="kind"):
    """Tasks in `workers` processes of their own (None: one for each core)."""

    workers: int | None = None


Executor = LocalExecutor | ThreadExecutor | ProcessExecutor
