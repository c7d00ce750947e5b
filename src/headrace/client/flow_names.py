"""Flows by the names that people give: "project/flow", or "flow" in the project that the settings name."""

from headrace.client.connection import Connection
from headrace.wire import flows, operations


def read(connection: Connection, flow: str, project: str | None = None) -> tuple[str, str]:
    """Project and flow."""
    if project is None and "/" in flow:
        project, flow = flow.split("/", 1)
    return project or connection.project, flow


def find(connection: Connection, flow: str, project: str | None = None) -> flows.Flow:
    """Raises errors.NotFound with names like it."""
    project, flow = read(connection, flow, project)
    return connection.call(operations.find_flow, flows.FindFlow(project=project, flow=flow))
