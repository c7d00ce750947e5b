"""Headrace runs Python flows. These are the public names and nothing else.

They are loaded when they are first used, so that `from headrace import flow, task` costs no more than it needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import errors as signals
    from headrace.client import Client
    from headrace.core.schedules import cron, dates, every, rrule
    from headrace.engine import variables
    from headrace.errors import Fail, HeadraceError, Loop, Pause, Retry, Skip
    from headrace.flows import Flow, flow
    from headrace.graph import artifacts
    from headrace.graph.building import tags
    from headrace.graph.caching import CachePolicy
    from headrace.graph.conditions import case, ifelse, merge, switch
    from headrace.graph.context import context
    from headrace.graph.graph import reference_tasks
    from headrace.graph.parameters import Parameter
    from headrace.graph.resources import resource
    from headrace.graph.task import Task, flatten, task, unmapped
    from headrace.graph.triggers import (
        all_failed,
        all_finished,
        all_successful,
        any_failed,
        any_successful,
        manual_only,
        not_all_skipped,
        some_failed,
        some_successful,
    )
    from headrace.storage.git import Git
    from headrace.storage.local import Local
    from headrace.storage.module import Module
    from headrace.storage.objects import ObjectStore
    from headrace.storage.webhook import Webhook
    from headrace.wire.executors import DaskExecutor, LocalExecutor, ProcessExecutor, ThreadExecutor
    from headrace.wire.run_configs import DockerRun, KubernetesRun, LocalRun, Toleration

#: Public names that are modules.
_MODULES = {
    "artifacts": "headrace.graph.artifacts",
    "signals": "headrace.errors",  # what a task may raise
    "variables": "headrace.engine.variables",
}
#: Where each other public name is defined.
_HOMES = {
    "Client": "headrace.client",
    "cron": "headrace.core.schedules",
    "dates": "headrace.core.schedules",
    "every": "headrace.core.schedules",
    "rrule": "headrace.core.schedules",
    "Fail": "headrace.errors",
    "HeadraceError": "headrace.errors",
    "Loop": "headrace.errors",
    "Pause": "headrace.errors",
    "Retry": "headrace.errors",
    "Skip": "headrace.errors",
    "Flow": "headrace.flows",
    "flow": "headrace.flows",
    "tags": "headrace.graph.building",
    "CachePolicy": "headrace.graph.caching",
    "case": "headrace.graph.conditions",
    "ifelse": "headrace.graph.conditions",
    "merge": "headrace.graph.conditions",
    "switch": "headrace.graph.conditions",
    "context": "headrace.graph.context",
    "reference_tasks": "headrace.graph.graph",
    "Parameter": "headrace.graph.parameters",
    "resource": "headrace.graph.resources",
    "Task": "headrace.graph.task",
    "flatten": "headrace.graph.task",
    "task": "headrace.graph.task",
    "unmapped": "headrace.graph.task",
    "all_failed": "headrace.graph.triggers",
    "all_finished": "headrace.graph.triggers",
    "all_successful": "headrace.graph.triggers",
    "any_failed": "headrace.graph.triggers",
    "any_successful": "headrace.graph.triggers",
    "manual_only": "headrace.graph.triggers",
    "not_all_skipped": "headrace.graph.triggers",
    "some_failed": "headrace.graph.triggers",
    "some_successful": "headrace.graph.triggers",
    "Git": "headrace.storage.git",
    "Local": "headrace.storage.local",
    "Module": "headrace.storage.module",
    "ObjectStore": "headrace.storage.objects",
    "Webhook": "headrace.storage.webhook",
    "DaskExecutor": "headrace.wire.executors",
    "LocalExecutor": "headrace.wire.executors",
    "ProcessExecutor": "headrace.wire.executors",
    "ThreadExecutor": "headrace.wire.executors",
    "DockerRun": "headrace.wire.run_configs",
    "KubernetesRun": "headrace.wire.run_configs",
    "LocalRun": "headrace.wire.run_configs",
    "Toleration": "headrace.wire.run_configs",
}

__all__ = [
    "CachePolicy",
    "Client",
    "DaskExecutor",
    "DockerRun",
    "Fail",
    "Flow",
    "Git",
    "HeadraceError",
    "KubernetesRun",
    "Local",
    "LocalExecutor",
    "LocalRun",
    "Loop",
    "Module",
    "ObjectStore",
    "Parameter",
    "Pause",
    "ProcessExecutor",
    "Retry",
    "Skip",
    "Task",
    "ThreadExecutor",
    "Toleration",
    "Webhook",
    "all_failed",
    "all_finished",
    "all_successful",
    "any_failed",
    "any_successful",
    "artifacts",
    "case",
    "context",
    "cron",
    "dates",
    "every",
    "flatten",
    "flow",
    "ifelse",
    "manual_only",
    "merge",
    "not_all_skipped",
    "reference_tasks",
    "resource",
    "rrule",
    "signals",
    "some_failed",
    "some_successful",
    "switch",
    "tags",
    "task",
    "unmapped",
    "variables",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'headrace' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
