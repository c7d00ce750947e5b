"""Neighbours: the other servers on the same database, and which of this server's words they are told."""

from functools import partial
from typing import Any

from headrace.server import audit, dispatch, heartbeats, identity, notices, task_queue
from headrace.server.service import Service
from headrace.web import wakeups
from headrace.web.handlers import Call


def introduce(service: Service) -> None:
    """What wakes somebody here wakes those who wait at the other servers too. A database that is not shared has none."""
    if not service.database.shared:
        return
    line = service.part(wakeups.Wakeups)
    parts = {
        "run": service.part(dispatch.Dispatch),
        "order": service.part(heartbeats.Heartbeats),
        "notice": service.part(notices.Notices),
        "tag": service.part(task_queue.TaskQueue),
    }
    for kind, part in parts.items():
        line.hear(kind, part.heard)
        part.elsewhere = partial(line.tell, kind)
    line.hear("people", service.part(identity.Identities).forget)
    line.hear("loop", partial(_poke, service))


def audited(call: Call[Any], operation: Any, request: Any, answer: Any) -> None:
    """What somebody has changed is written down, and who may do what is looked up anew."""
    audit.record(call, operation, request, answer)
    call.after_commit(partial(_forget, call.service))


def _forget(service: Service) -> None:
    service.part(identity.Identities).forget()
    service.part(wakeups.Wakeups).tell("people")


def _poke(service: Service, loop: str = "scheduler") -> None:
    service.poke(loop, here=True)
