"""The client's methods for artifacts: `Client().artifacts`. Tasks make them with `from headrace import artifacts`."""

from collections.abc import Iterator
from uuid import UUID

from headrace import errors
from headrace.client.connection import Connection
from headrace.wire import artifacts, operations


class Artifacts:
    """What the tasks of runs have shown."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        flow_run_id: UUID | None = None,
        flow_id: UUID | None = None,
        task: str | None = None,
        key: str | None = None,
        kind: artifacts.KindName | None = None,
        latest: bool = False,
    ) -> Iterator[artifacts.Artifact]:
        """Of a run, or of a flow over its runs, newest first. `latest`: of each key only the last version."""
        request = artifacts.ListArtifacts(
            flow_run_id=flow_run_id, flow_id=flow_id, task=task, key=key, kind=kind, latest=latest
        )
        return self._connection.pages(operations.list_artifacts, request)

    def read(self, artifact_id: UUID) -> artifacts.Artifact:
        """One artifact, whole. Raises errors.NotFound."""
        return self._connection.call(operations.read_artifact, artifacts.ArtifactRef(artifact_id=artifact_id))

    def latest(self, flow_id: UUID, key: str) -> artifacts.Artifact:
        """The last version of a key, from whichever run. Raises errors.NotFound."""
        found = next(self.list(flow_id=flow_id, key=key), None)
        if found is None:
            raise errors.NotFound(f"no run of the flow {flow_id} has shown anything with the key {key!r}")
        return self.read(found.id) if found.body is None else found

    def download(self, artifact_id: UUID) -> Iterator[bytes]:
        """The pieces of its file: an image, markdown, or a table as CSV. Links and progresses have none."""
        request = artifacts.ArtifactRef(artifact_id=artifact_id)
        return self._connection.stream(operations.download_artifact, request)
