"""Structures and registrations, for tests that need a flow on the server."""

import hashlib
from typing import Any

import msgspec

from headrace.wire import flows, storage


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def structure(name: str = "daily", project: str = "sales", **changes: Any) -> flows.Structure:
    """Two tasks, one edge, one parameter with a default."""
    whole = flows.Structure(
        name=name,
        project=project,
        tasks=[
            flows.TaskSpec(slug="extract", name="extract", retries=2),
            flows.TaskSpec(slug="load", name="load"),
        ],
        edges=[flows.EdgeSpec(upstream="extract", downstream="load", key="rows")],
        parameters=[
            flows.ParameterSpec(name="day", required=False, default="monday", schema={"type": "string"})
        ],
        structure_sha256=digest("structure"),
        code_sha256=digest("code"),
        content_sha256=digest("content"),
    )
    return msgspec.structs.replace(whole, **changes)


def registration(**changes: Any) -> flows.RegisterFlow:
    return flows.RegisterFlow(
        structure=structure(**changes), storage=storage.ModuleStorage(module="shop", attribute="daily")
    )
