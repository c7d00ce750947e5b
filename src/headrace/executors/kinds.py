"""From an executor's descriptor to the executor."""

from headrace import executors
from headrace.executors import local, pool, threads
from headrace.wire import executors as wire_executors


def build(descriptor: wire_executors.Executor, log: executors.LogSink) -> executors.Executor:
    """The executor that a flow's descriptor names. `log` is given the log records of its other processes."""
    match descriptor:
        case wire_executors.LocalExecutor():
            return local.LocalExecutor()
        case wire_executors.ThreadExecutor(workers=workers):
            return threads.ThreadExecutor(workers)
        case wire_executors.ProcessExecutor(workers=workers):
            return pool.ProcessExecutor(workers, log)
