"""From an executor's descriptor to the executor."""

from headrace import errors, executors
from headrace.executors import local, pool, threads
from headrace.wire import executors as wire_executors


def build(descriptor: wire_executors.Executor, log: executors.LogSink) -> executors.Executor:
    """The executor that a flow's descriptor names. `log` is given the log records of its other processes.

    Raises errors.LaunchError where it cannot be had.
    """
    match descriptor:
        case wire_executors.LocalExecutor():
            return local.LocalExecutor()
        case wire_executors.ThreadExecutor(workers=workers):
            return threads.ThreadExecutor(workers)
        case wire_executors.ProcessExecutor(workers=workers):
            return pool.ProcessExecutor(workers, log)
        case wire_executors.DaskExecutor():
            # a second and 60 MB that other runs need not spend, and a library that they need not have
            try:
                from headrace.executors import dask
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in ("dask", "distributed"):
                    raise
                raise errors.LaunchError(
                    "the flow's tasks run on Dask, which is not installed here: pip install 'headrace[dask]'"
                ) from None
            return dask.DaskExecutor(descriptor, log)
