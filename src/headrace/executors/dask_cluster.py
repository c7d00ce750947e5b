"""The cluster that a run's tasks go to: connected to, or started for the run; and whether it has what the run has."""

import contextlib
import importlib
import logging
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import dask.config
import distributed
from distributed.versions import VersionMismatchWarning

from headrace import errors
from headrace.executors import dask_worker, tracebacks
from headrace.wire import executors as wire_executors

logger = logging.getLogger("headrace.flow")

#: How long a scheduler may take to answer, and a cluster to close, in seconds.
CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 10.0
LOCAL = "distributed.LocalCluster"
#: What must be the same, or nothing works; what else differs is a warning.
_MUST = ("Python", "headrace")


def _quiet() -> None:
    """A scheduler says whenever somebody comes or goes: of a run's own cluster that would fill the run's log.

    And Dask writes to stderr what it logs, beside the handlers that the process has: the log would have it twice.
    """
    its_own = logging.getLogger("distributed")
    if its_own.level == logging.INFO:
        its_own.setLevel(logging.WARNING)
    if logging.root.handlers:
        for handler in list(its_own.handlers):
            its_own.removeHandler(handler)


class Cluster:
    """A client of a Dask scheduler, and the cluster behind it if that is the run's own. Raises errors.LaunchError."""

    def __init__(self, descriptor: wire_executors.DaskExecutor) -> None:
        self._own: Any = None
        _quiet()
        where = descriptor.address or f"a {descriptor.cluster_class or LOCAL}"
        try:
            if descriptor.address is None:
                self._own = _start(descriptor)
            self.client: Any = _connected(self._own or descriptor.address)
            self._check()
        except errors.LaunchError:
            self.close()
            raise
        except Exception as error:  # whatever keeps a cluster from starting is why the run cannot
            self.close()
            raise errors.LaunchError(f"Dask: {where} cannot be had: {_reason(error)}") from error
        self.address: str = self.client.scheduler.address

    @property
    def dashboard(self) -> str | None:
        """Where Dask shows what the cluster does."""
        services = self.client.scheduler_info().get("services", {})
        return self.client.dashboard_link if "dashboard" in services else None

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self.client.scheduler_info()["workers"])

    @property
    def lives(self) -> bool:
        """Whether the scheduler is there, as far as the connection to it tells."""
        return self.client.status == "running"

    def close(self) -> None:
        """Whatever happened: the client, and the cluster if it is the run's own."""
        client = getattr(self, "client", None)
        is_lost = client is not None and not self.lives
        if client is not None:
            _close(client)
        if self._own is not None and is_lost:
            _close_without_scheduler(self._own)
        elif self._own is not None:
            _close(self._own)

    def _check(self) -> None:
        """That scheduler and workers have the versions that this process has."""
        told: dict[str, Any] = self.client.get_versions(packages=list(dask_worker.PACKAGES))
        problems: dict[str, str] = {}
        for place, facts in {"the scheduler": told["scheduler"], **told["workers"]}.items():
            packages = facts["packages"]
            python = ".".join(facts["host"]["python"].split(".")[:2])
            for name, version in dask_worker.versions().items():
                theirs = python if name == "Python" else packages.get(name)
                if theirs != version:
                    problems.setdefault(name, f"{version} here and {theirs or 'missing'} on {place}")
        judge(problems)


def judge(different: Mapping[str, str]) -> None:
    """Says what differs. Raises errors.LaunchError where that can only go wrong."""
    if not different:
        return
    words = "; ".join(f"{name} is {what}" for name, what in different.items())
    if any(name in _MUST or what.endswith(" missing") for name, what in different.items()):
        raise errors.LaunchError(
            f"Dask: the cluster has other versions than the run: {words}. Give both the same image or environment"
        )
    logger.warning("Dask: the cluster has other versions than the run, which may go wrong: %s", words)


def _close(what: Any) -> None:
    try:
        what.close(timeout=CLOSE_SECONDS)
    except Exception as error:  # noqa: BLE001 - a cluster's own code may raise anything; the run has ended
        logger.warning("Dask: closing %s failed: %s", type(what).__name__, tracebacks.sentence(error))


def _close_without_scheduler(cluster: Any) -> None:
    """Where it would ask a scheduler that is gone to let its workers go, it is told first that this one is closed."""
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        if hasattr(cluster, "scheduler") and hasattr(cluster, "sync"):
            with contextlib.suppress(Exception):
                cluster.sync(cluster.scheduler.close, callback_timeout=CLOSE_SECONDS)
        _close(cluster)


def _connected(to: Any) -> Any:
    with warnings.catch_warnings():
        # it would warn of versions in a table; `_check` says it in a sentence
        warnings.simplefilter("ignore", VersionMismatchWarning)
        # not the default of this process: user code here may have a client of its own
        return distributed.Client(to, set_as_default=False, timeout=CONNECT_SECONDS)


def _start(descriptor: wire_executors.DaskExecutor) -> Any:
    name, given = descriptor.cluster_class or LOCAL, dict(descriptor.cluster_kwargs)
    if name == LOCAL:
        # a free port, for several runs on one machine; and user code of a run is never in the run process's threads
        given = {"dashboard_address": ":0", **given}
    cluster = _class(name)(**given)
    try:
        if descriptor.adapt_kwargs is not None:
            cluster.adapt(**descriptor.adapt_kwargs)
    except BaseException:
        with contextlib.suppress(Exception):
            cluster.close()
        raise
    return cluster


def _class(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute) if module else None
    except (ImportError, AttributeError) as error:
        raise errors.LaunchError(f"Dask: there is no cluster class '{name}' here: {error}") from None
    if not callable(found):
        raise errors.LaunchError(
            f"Dask: '{name}' is no cluster class; write its dotted name, such as 'dask_kubernetes.operator.KubeCluster'"
        )
    return found


def _reason(error: Exception) -> str:
    reason = tracebacks.sentence(error)
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if "Nanny failed to start" in reason and main is not None:
        # its processes import the script again, and come to the same place
        reason += f' (does {main} start the run under `if __name__ == "__main__":`?)'
    return reason
