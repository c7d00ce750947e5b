"""`on_state` hooks: functions that hear of each new state of a task run or flow run, in the run's own process.

A hook that returns a state puts it in the place of the new one, if both are finished. One that raises is logged and
changes nothing: a state never depends on whether a notification got through.
"""

import logging
from typing import Any

from headrace.core import states
from headrace.executors import tracebacks
from headrace.graph import options

logger = logging.getLogger("headrace.flow")


def call(
    hooks: tuple[options.Hook, ...], subject: Any, before: states.State, after: states.State
) -> states.State:
    """The state that holds once every hook has been called, in order, as hook(subject, before, after)."""
    for hook in hooks:
        name = getattr(hook, "__qualname__", type(hook).__qualname__)
        try:
            answer = hook(subject, before, after)
        except Exception as error:  # noqa: BLE001 - hooks are users' code, and the run goes on without them
            logger.error("hook '%s' failed, and %s stays: %s", name, after.name, tracebacks.strip(error))  # noqa: TRY400 - source lines must not leave
            continue
        if answer is None:
            continue
        if isinstance(answer, states.State) and answer.is_finished and after.is_finished:
            after = answer
        else:
            logger.error(
                "hook '%s' returned %r, and %s stays: a hook returns None, or a finished state in place of a finished one",
                name,
                answer,
                after.name,
            )
    return after
