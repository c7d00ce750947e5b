"""Flows and runs that no library made: what a page shows of them is written by the test, through the API alone."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from place import Place

from headrace import client
from headrace.core import states
from headrace.wire import agents, flows, operations, runs, storage

PROJECT = "by-hand"


def label(flow: str) -> str:
    """A label that no other agent has, so that the test's own takes the runs of this flow."""
    return f"{PROJECT}-{flow}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def register(place: Place, name: str, tasks: Sequence[flows.TaskSpec], **rest: Any) -> UUID:
    """A flow of these tasks, in the project "by-hand"; the answer is its id."""
    known = {project.name for project in place.api.list_projects()}
    if PROJECT not in known:
        place.api.create_project(PROJECT)
    structure = flows.Structure(
        name=name,
        project=PROJECT,
        tasks=list(tasks),
        labels=[label(name)],
        structure_sha256=digest(name),
        code_sha256=digest(f"code of {name}"),
        content_sha256=digest(f"content of {name}"),
        **{"edges": [], **rest},
    )
    kept = storage.LocalStorage(path="/nowhere", host="nowhere")
    place.api.register_flow(flows.RegisterFlow(structure=structure, storage=kept))
    return place.flow(f"{PROJECT}/{name}").id


class HandMadeRun:
    """A run that has started, and whose process is this test."""

    def __init__(self, place: Place, flow: str, **parameters: Any) -> None:
        assert place.local is not None
        self._written = 0
        made = place.api.create_flow_run(flow=f"{PROJECT}/{flow}", parameters=parameters)
        agent = client.Client(place.url, place.local.agent_key)
        me = agent.call(
            operations.register_agent,
            agents.RegisterAgent(
                name=label(flow), instance=str(made.id), labels=[label(flow)], launches=["local"]
            ),
        )
        claim = runs.ClaimFlowRun(agent_id=me.id, wait_seconds=10)
        found = agent.call(operations.claim_flow_run, claim).assignment
        agent.close()
        assert found is not None
        assert found.flow_run_id == made.id
        self.id, self.fence = found.flow_run_id, found.fence
        self._api = client.Client(place.url, found.token)
        self._api.call(
            operations.start_flow_run,
            runs.StartFlowRun(
                flow_run_id=self.id, fence=self.fence, content_sha256=found.content_sha256, host="here", pid=1
            ),
        )

    def write(self, messages: Sequence[str], task: str | None = None) -> None:
        now = datetime.now(UTC)
        records = [runs.LogRecord(now, 20, "by-hand", message, task) for message in messages]
        request = runs.WriteLogs(flow_run_id=self.id, fence=self.fence, seq=self._written, records=records)
        self._written = self._api.call(operations.write_logs, request).next_seq

    def finish(self, type_: states.StateType, message: str) -> None:
        self._api.call(
            operations.finish_flow_run,
            runs.FinishFlowRun(
                flow_run_id=self.id, fence=self.fence, type=type_, name=str(type_), message=message
            ),
        )
        self._api.close()
