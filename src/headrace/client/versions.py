"""`client.versions`: a flow's versions compared, made current, deleted."""

from collections.abc import Iterator

from headrace import errors
from headrace.client import flow_names
from headrace.client.connection import Connection
from headrace.wire import flows, operations, versions


class Versions:
    """What is done with the versions of a flow. `flow` is "project/flow"."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, flow: str) -> Iterator[flows.FlowVersion]:
        """Its versions, newest first."""
        request = flows.ListVersions(flow_id=flow_names.find(self._connection, flow).id)
        return self._connection.pages(operations.list_versions, request)

    def compare(self, flow: str, before: int | None = None, after: int | None = None) -> versions.Difference:
        """What differs between two versions: those named, or the current one and the one before it."""
        request = versions.CompareVersions(
            flow_id=flow_names.find(self._connection, flow).id, before=before, after=after
        )
        return self._connection.call(operations.compare_versions, request)

    def make_current(self, flow: str, number: int) -> flows.Flow:
        """Runs use this version from now on; a registration that brings anything new replaces it."""
        request = versions.MakeCurrent(flow_id=flow_names.find(self._connection, flow).id, number=number)
        return self._connection.call(operations.make_current, request)

    def preview_deletion(self, flow: str, number: int | None = None) -> versions.Deletion:
        """What the deletion of one version would take along, or without `number` that of the whole flow."""
        request = versions.PreviewDeletion(flow_id=flow_names.find(self._connection, flow).id, number=number)
        return self._connection.call(operations.preview_deletion, request)

    def delete(self, flow: str, number: int, *, confirm: str) -> versions.Deletion:
        """Deletes one version. `confirm` repeats "project/flow version n"."""
        for version in self.list(flow):
            if version.number == number:
                request = versions.DeleteVersion(version_id=version.id, confirm=confirm)
                return self._connection.call(operations.delete_version, request)
        raise errors.NotFound(f"{flow} has no version {number}")
