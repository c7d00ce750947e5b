"""What a flow reads of its variables: `from headrace import variables`, and in a task `variables.get("region")`.

A run sees a variable as it was when it first asked. Without a server they are in the environment.
"""

import os
import threading
from typing import Any
from uuid import UUID

import msgspec

from headrace import client, errors
from headrace.core import variables as core
from headrace.wire import operations
from headrace.wire import variables as wire

__all__ = ["get"]

#: Seconds for which a run waits for a server that does not answer.
PATIENCE = 600.0


class _Nothing:
    """Stands for a default that was not given: None is one."""


_NOTHING: Any = _Nothing()

#: What this process has read, by run and name: the version, and the value as JSON, so that nobody changes another's.
_known: dict[tuple[UUID, str], tuple[int, bytes]] = {}
_lock = threading.Lock()


def get(name: str, default: Any = _NOTHING) -> Any:
    """The value of a variable, or the default where there is none.

    In a run that a server knows: the project's variable, else the one of all projects. Anywhere else: what the environment
    has as HEADRACE_VARIABLE_<NAME>, read as JSON where it is JSON. Raises errors.NotFound where there is neither.
    """
    if sentence := core.problem(name):
        raise errors.Invalid(f"{name!r} is no name for a variable: {sentence}")
    inside = client.inside()
    if inside is None or inside[2] is None:
        return _of_environment(name, default)
    version, value = _of_run(inside[2], inside[3], name)
    if version:
        return msgspec.json.decode(value)
    if default is _NOTHING:
        raise errors.NotFound(
            f"there is no variable {name!r}: set it with `headrace variable set {name} VALUE`, or give a default."
            " A run that is under way goes on without it"
        )
    return default


def _of_run(run_id: UUID, fence: int, name: str) -> tuple[int, bytes]:
    with _lock:  # of many tasks that want it at once, one asks
        known = _known.get((run_id, name))
        if known is None:
            api = client.Client(patience=PATIENCE)
            request = wire.ReadRunVariable(flow_run_id=run_id, fence=fence, name=name)
            try:
                answer = api.call(operations.read_run_variable, request)
            finally:
                api.close()
            known = _known[run_id, name] = answer.version, msgspec.json.encode(answer.value)
        return known


def _of_environment(name: str, default: Any) -> Any:
    variable = f"{core.ENVIRONMENT}{name.upper()}"
    text = os.environ.get(variable)
    if text is None:
        if default is _NOTHING:
            raise errors.NotFound(
                f"there is no variable {name!r}: this run knows no server, so set {variable} in the environment, or give"
                " a default"
            )
        return default
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
