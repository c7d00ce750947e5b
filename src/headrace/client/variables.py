"""The client's methods for variables: `Client().variables`. Flows read them with `from headrace import variables`."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from headrace.client.connection import Connection
from headrace.wire import operations, variables


class Variables:
    """Named values that flows read and people edit. Never secrets: everybody who may sign in reads them.

    One of a `project` is seen by the runs of that project, instead of the one without.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, project: str | None = None, search: str | None = None) -> Iterator[variables.Variable]:
        """By name. `project`: those that its runs see, its own and those of no project."""
        request = variables.ListVariables(project=project, search=search)
        return self._connection.pages(operations.list_variables, request)

    def read(self, name: str, *, project: str = "") -> variables.Variable:
        """As runs of the project see it. Raises errors.NotFound."""
        request = variables.ReadVariable(name=name, project=project)
        return self._connection.call(operations.read_variable, request)

    def set(
        self,
        name: str,
        value: Any,
        *,
        project: str = "",
        description: str | None = None,
        expected_version: int | None = None,
    ) -> variables.Variable:
        """Makes a variable, or gives it another value, which runs see that have not asked for it yet.

        `expected_version`: errors.Conflict where it has another by now; 0: where there is one already.
        """
        request = variables.SetVariable(
            name=name,
            value=value,
            project=project,
            description=description,
            expected_version=expected_version,
        )
        return self._connection.call(operations.set_variable, request)

    def delete(
        self, name: str, *, project: str = "", expected_version: int | None = None
    ) -> variables.Variable:
        """Takes it away, and answers with what it was; its history stays. Raises errors.NotFound."""
        request = variables.DeleteVariable(name=name, project=project, expected_version=expected_version)
        return self._connection.call(operations.delete_variable, request)

    def history(self, name: str, *, project: str = "") -> Iterator[variables.VariableVersion]:
        """What it was and who made it that, newest first; also after it was deleted."""
        request = variables.ListVariableVersions(name=name, project=project)
        return self._connection.pages(operations.list_variable_versions, request)

    def read_by(self, flow_run_id: UUID) -> Iterator[variables.RunVariable]:
        """Which versions of which variables a run has read, by name."""
        request = variables.ListRunVariables(flow_run_id=flow_run_id)
        yield from self._connection.call(operations.list_run_variables, request).items
