"""What people do with one run that is there: cancel it, pause it, approve or reject it, mark it.

A pause that somebody asks for is a wish until the run's process has come to the end of its running tasks; then it ends,
and the run holds neither process nor slot until it is resumed.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import reasons
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.server import heartbeats, moves, run_queries
from headrace.server.service import handles
from headrace.web.handlers import Call
from headrace.wire import control, operations, runs

#: Characters of a reason or a comment.
LONGEST = 2000


class Wish(msgspec.Struct, frozen=True):
    """That a run is to be paused: who wants it and why, and after how long the pause ends by itself."""

    by: str
    comment: str = ""
    seconds: float | None = None

    @property
    def sentence(self) -> str:
        return _said(f"paused by {self.by}", self.comment)


@handles(operations.cancel_flow_run)
def cancel_flow_run(call: Call[Any], request: runs.CancelFlowRun) -> runs.FlowRun:
    """An unstarted run ends at once and never starts; a running one is told to stop."""
    row = _own(call, request.flow_run_id)
    cancel(call, row, request.reason)
    return run_queries.read(call, row.id)


@handles(operations.pause_flow_run)
def pause_flow_run(call: Call[Any], request: control.PauseFlowRun) -> runs.FlowRun:
    """The order rides on the answer of the run's heartbeat; until it is carried out the run goes on."""
    row = moves.load(call, request.flow_run_id)
    if request.seconds is not None and not request.seconds > 0:
        raise errors.Invalid("seconds: must be more than 0", fields={"seconds": "must be more than 0"})
    _check_length(request.comment, "comment")
    state = moves.state(row)
    if state.type is StateType.RUNNING and row.pause_wish is None:
        wish = Wish(_who(call), request.comment, request.seconds)
        said = State(state.type, state.name, call.now, f"to be {wish.sentence}")
        moves.note(call, row, said, row.fence, kind="pause", pause_wish=wish)
        call.after_commit(lambda: call.service.part(heartbeats.Heartbeats).release(row.id))
    elif state.type not in (StateType.RUNNING, StateType.PAUSED):
        raise errors.Conflict(
            f"run {row.id} is {state.type}: only a running run can be paused",
            state=row.state_type,
            reason="not_running",
        )
    return run_queries.read(call, row.id)


@handles(operations.resume_flow_run)
def resume_flow_run(call: Call[Any], request: runs.ResumeFlowRun) -> runs.FlowRun:
    row = _own(call, request.flow_run_id)
    resume(call, row, request.comment)
    return run_queries.read(call, row.id)


@handles(operations.reject_flow_run)
def reject_flow_run(call: Call[Any], request: control.RejectFlowRun) -> runs.FlowRun:
    row = moves.load(call, request.flow_run_id)
    reject(call, row, request.comment)
    return run_queries.read(call, row.id)


@handles(operations.mark_flow_run)
def mark_flow_run(call: Call[Any], request: control.MarkFlowRun) -> runs.FlowRun:
    row = moves.load(call, request.flow_run_id)
    mark(call, row, StateType(request.type), request.reason)
    return run_queries.read(call, row.id)


def cancel(call: Call[Any], row: sa.Row[Any], reason: str) -> None:
    _check_length(reason, "reason")
    why = reasons.because("cancelled", who=_who(call))
    ended = State(StateType.CANCELLED, "Cancelled", call.now, reason or why.sentence, code=why.code)
    moves.move(call, row, ended, Actor.USER)


def resume(call: Call[Any], row: sa.Row[Any], comment: str) -> None:
    """A paused run goes on. What was just resumed stays so."""
    _check_length(comment, "comment")
    current = moves.state(row)
    if current.type is not StateType.PAUSED and current.name != "Resumed":
        raise errors.Conflict(
            f"run {row.id} is {current.type}: only a paused run can be resumed",
            state=row.state_type,
            reason="not_paused",
        )
    message = _said(f"approved by {_who(call)}", comment)
    moves.move(call, row, State(StateType.SCHEDULED, "Resumed", call.now, message, call.now), Actor.USER)


def reject(call: Call[Any], row: sa.Row[Any], comment: str) -> None:
    """A run that was rejected did nothing wrong: it is Cancelled. What was rejected stays so."""
    _check_length(comment, "comment")
    current = moves.state(row)
    if (current.type, current.code) == (StateType.CANCELLED, "rejected"):
        return
    if current.type is not StateType.PAUSED:
        raise errors.Conflict(
            f"run {row.id} is {current.type}: only a paused run can be rejected",
            state=row.state_type,
            reason="not_paused",
        )
    why = reasons.because("rejected", who=_who(call))
    ended = State(StateType.CANCELLED, "Cancelled", call.now, _said(why.sentence, comment), code=why.code)
    moves.move(call, row, ended, Actor.USER)


def mark(call: Call[Any], row: sa.Row[Any], verdict: StateType, reason: str) -> None:
    """Ends an unfinished run so; of a finished one the mark is kept beside its state, and the last one counts."""
    reason = reason.strip()
    if not reason:
        raise errors.Invalid(
            f"say why the run is marked as {verdict}", fields={"reason": "must say something"}
        )
    _check_length(reason, "reason")
    why = reasons.because("marked", what=verdict, who=_who(call), why=reason)
    said = State(verdict, str(verdict), call.now, why.sentence, code=why.code)
    if not moves.state(row).is_finished:
        moves.move(call, row, said, Actor.USER, mark=True, mark_reason=reason)
        return
    made = runs.Mark(type=verdict, reason=reason, by=_who(call), at=call.now)
    moves.note(call, row, said, row.fence, kind="mark", mark=made)


def paused(call: Call[Any], row: sa.Row[Any], request: runs.FinishFlowRun) -> tuple[State, dict[str, Any]]:
    """The state of a run that reports that it is paused, and the columns that go with it.

    One that waits for an approval says so; one that says nothing was paused because somebody wanted it.
    """
    message, code, seconds = request.message, "", request.pause_seconds
    if not message and row.pause_wish is not None:
        wish = msgspec.convert(row.pause_wish, Wish)
        message, code, seconds = wish.sentence, "held", wish.seconds
    ends_at = None if seconds is None else call.now + timedelta(seconds=max(seconds, 0))
    return State(StateType.PAUSED, request.name, call.now, message, code=code), {"pause_ends_at": ends_at}


def _own(call: Call[Any], run_id: UUID) -> sa.Row[Any]:
    """A run process manages the runs that it started, and no others."""
    row = moves.load(call, run_id)
    if call.caller.run_id is not None and row.parent_run_id != call.caller.run_id:
        raise errors.NotFound(f"there is no flow run {row.id}")
    return row


def _who(call: Call[Any]) -> str:
    return call.caller.name or call.caller.kind


def _said(what: str, comment: str) -> str:
    return f"{what}: {comment.strip()}" if comment.strip() else what


def _check_length(text: str, field: str) -> None:
    if len(text) > LONGEST:
        problem = f"must have at most {LONGEST} characters"
        raise errors.Invalid(f"{field}: {problem}", fields={field: problem})
