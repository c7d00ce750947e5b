"""What tests of runs share: a registered flow, an agent, and the steps of a run's life, one call each."""

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

from structures import digest, registration

from headrace.core.states import StateType
from headrace.server import (
    agents,
    claims,
    flows,
    leasing,
    projects,
    reports,
    run_queries,
    runs,
    tables,
    task_events,
    task_runs,
)
from headrace.server.loops import reaper
from headrace.web import handlers
from headrace.wire import agents as wire_agents
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import runs as wire_runs
from running import Server

#: Imported for their handlers.
NOUNS = (agents, claims, flows, projects, reports, run_queries, runs, task_events, task_runs)

CONTENT = digest("content")


class Life:
    """One flow and one agent on a server."""

    def __init__(self, server: Server, *, agent: bool = True, **structure: Any) -> None:
        self.server = server
        server.call(operations.create_project, wire_flows.CreateProject(name="sales"))
        self.flow = self.register(**structure)
        self.agent_id = self.join("one") if agent else UUID(int=0)

    def register(self, **structure: Any) -> wire_flows.Registered:
        return self.server.call(operations.register_flow, registration(**structure))

    def join(self, name: str, **offer: Any) -> UUID:
        """An agent registers."""
        request = wire_agents.RegisterAgent(name=name, instance="1", **{"launches": ["local"], **offer})
        return self.server.call(operations.register_agent, request, self.server.as_.agent).id

    def create(self, **asked: Any) -> wire_runs.FlowRun:
        request = wire_runs.CreateFlowRun(**{"flow_id": self.flow.flow_id, **asked})
        return self.server.call(operations.create_flow_run, request, self.server.as_.member)

    def read(self, run_id: UUID) -> wire_runs.FlowRun:
        return self.server.call(operations.read_flow_run, wire_runs.FlowRunRef(flow_run_id=run_id))

    def events(self, run_id: UUID) -> list[wire_runs.RunEvent]:
        return self.server.call(operations.list_run_events, wire_runs.FlowRunRef(flow_run_id=run_id)).items

    def claim(
        self, agent_id: UUID | None = None, request_id: str | None = None
    ) -> wire_runs.Assignment | None:
        request = wire_runs.ClaimFlowRun(agent_id=agent_id or self.agent_id, wait_seconds=0)
        return self.server.call(
            operations.claim_flow_run, request, self.server.as_.agent, request_id
        ).assignment

    def claimed(self) -> wire_runs.Assignment:
        """A run that is Submitted."""
        self.create()
        assignment = self.claim()
        assert assignment is not None
        return assignment

    def running(self) -> wire_runs.Assignment:
        """A run that is Running."""
        assignment = self.claimed()
        self.start(assignment)
        return assignment

    def by(self, held: wire_runs.Assignment) -> handlers.Caller:
        """The run process of this attempt."""
        return self.server.as_.run(held.flow_run_id, held.fence)

    def start(self, held: wire_runs.Assignment, content: str = CONTENT, pid: int = 7) -> wire_runs.RunAnswer:
        request = wire_runs.StartFlowRun(
            flow_run_id=held.flow_run_id, fence=held.fence, content_sha256=content, host="here", pid=pid
        )
        return self.server.call(operations.start_flow_run, request, self.by(held))

    def finish(
        self,
        held: wire_runs.Assignment,
        type_: StateType = StateType.SUCCESS,
        request_id: str | None = None,
        **said: Any,
    ) -> wire_runs.RunAnswer:
        request = wire_runs.FinishFlowRun(
            flow_run_id=held.flow_run_id, fence=held.fence, type=type_, **{"name": str(type_), **said}
        )
        return self.server.call(operations.finish_flow_run, request, self.by(held), request_id)

    def cancel(self, run_id: UUID, reason: str = "") -> wire_runs.FlowRun:
        return self.server.call(
            operations.cancel_flow_run, wire_runs.CancelFlowRun(flow_run_id=run_id, reason=reason)
        )

    def exit(self, held: wire_runs.Assignment, **seen: Any) -> wire_runs.RunAnswer:
        request = wire_runs.ReportExit(flow_run_id=held.flow_run_id, fence=held.fence, **seen)
        return self.server.call(operations.report_exit, request, self.server.as_.agent)

    def release(self, held: wire_runs.Assignment) -> wire_runs.RunAnswer:
        request = wire_runs.ReleaseFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, reason="draining")
        return self.server.call(operations.release_flow_run, request, self.server.as_.agent)

    def advance(self, held: wire_runs.Assignment, name: str) -> wire_runs.RunAnswer:
        request = wire_runs.AdvanceFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, name=name)
        return self.server.call(operations.advance_flow_run, request, self.server.as_.agent)

    def lose(self, run_id: UUID) -> bool:
        """Nobody hears of the run for ten minutes, while the reaper looks every second; then it takes the run up."""
        keeper, clock = self.server.service.part(leasing.Leasing), self.server.clock
        keeper.monotonic = lambda: clock.now.timestamp()
        clock.advance(600)
        times = keeper.timing
        for _ in range((times.lease + times.grace + times.lost_after) // timedelta(seconds=1) + 2):
            clock.advance(1)
            keeper.look(clock.now, timedelta(seconds=1))
        return self.server.write(lambda call: reaper.sweep(call, run_id))

    def check(self) -> None:
        """Every history is gapless and gives the state that is shown; a fence never falls."""
        events: dict[UUID, list[Any]] = {}
        for event in self.server.rows(tables.run_events):
            events.setdefault(event.flow_run_id, []).append(event)
        for run in self.server.rows(tables.flow_runs):
            history = sorted(events[run.id], key=lambda event: event.seq)
            assert [event.seq for event in history] == list(range(run.version + 1))
            moves = [event for event in history if event.kind == "move"]
            assert (moves[-1].state_type, moves[-1].state_name) == (run.state_type, run.state_name)
            assert moves[-1].fence == run.fence
            for before, after in itertools.pairwise(moves):
                assert after.from_type == before.state_type
                assert after.fence >= before.fence
            assert (run.finished_at is not None) == StateType(run.state_type).is_finished
            held = run.state_type in ("Submitted", "Running", "Cancelling")
            assert (run.lease_until is not None) == held
