"""The coordinator's walk over a graph: what is ready, what runs, what follows from each ending.

One thread does all of it. Each node counts the upstreams it waits for; an ending counts down its followers and puts what
is ready on a stack, so that a mapped child's own successor runs before its siblings. Mapped children do not exist as
tasks of their own: they are an index, a state and a value.
"""

import itertools
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace import errors, executors
from headrace.core import states
from headrace.engine import (
    hooks,
    inputs,
    mapping,
    outcome,
    plan,
    reuse,
    task_runner,
    terms,
    timers,
    trials,
    verdicts,
)
from headrace.graph import context, triggers
from headrace.wire import runs

logger = logging.getLogger("headrace.task")

T = states.StateType
_NO_STATES: list[outcome.TaskState] = []


Place = tuple[plan.Walk, int]


class Walker:
    """One walk. `stop` may come from any thread."""

    def __init__(self, walks: dict[str, plan.Walk], executor: executors.Executor, given: terms.Terms) -> None:
        self.walks = walks
        #: Whether the walk was told to stop before its end.
        self.stopped = False
        #: The task runs that wait for an approval.
        self.paused: list[Place] = []
        #: After how long each of these pauses is to end; None where the task does not say.
        self.pauses: list[timedelta | None] = []
        #: Whether it was told to pause before its end.
        self.held = self._pausing = False
        self._executor = executor
        self._terms = given
        self._gate = given.tag_slots
        #: A stack of (node, indices left to start).
        self._ready: list[tuple[plan.Walk, Iterator[int]]] = []
        self._flights: dict[int, trials.Flight] = {}
        self._tickets = itertools.count(1)
        self._trials: dict[Place, trials.Trial] = {}
        self._timers = timers.Timers()
        #: Task runs that wait for their next try.
        self._retrying: dict[Place, None] = {}
        #: Timed out and still running somewhere, by ticket; with the time of the retry that waits for their end.
        self._abandoned: dict[int, tuple[Place, float | None]] = {}
        self._reuse = reuse.Reuse(walks, given) if given.known else None
        self._approved = set[tuple[str, int]]() if self._reuse is None else self._reuse.paused()

    # the walk

    def walk(self) -> None:
        """Until nothing runs and nothing can start."""
        for walk in reversed(self.walks.values()):
            if not walk.waiting:
                self._push(walk, -1)
        while True:
            self._fill()
            idle = not (self._ready or self._retrying or self._gate.waiting)
            if not self._flights and (self.stopped or self._pausing or idle):
                break
            for ending in self._executor.wait(self._gate.patience(self._timers.patience())):
                self._land(ending)
            self._timers.ring()
            self._ready += [(self.walks[slug], iter((index,))) for slug, index in self._gate.arrived()]
        if self.stopped:
            self._cancel_rest()
        elif self._pausing or self.paused:
            self.held = not idle
            self._gate.close()
            self._keep_all()

    def pause(self) -> None:
        """No task is started any more; those that run come to their end."""
        self._pausing = True
        self._executor.wake()

    def stop(self) -> None:
        """No task is started any more; those that run are interrupted."""
        self.stopped = True
        self._executor.interrupt()

    def hear(self, ticket: int, record: logging.LogRecord) -> None:
        """A log record of a call that runs in another process."""
        flight = self._flights.get(ticket)
        if flight is None:
            logging.getLogger(record.name).handle(record)
            return
        with context.entered(self._context(flight.walk, flight.own.map_index, flight.own.attempt)):
            logging.getLogger(record.name).handle(record)

    def _fill(self) -> None:
        ready, flights, slots = self._ready, self._flights, self._executor.slots
        while ready and len(flights) < slots and not (self.stopped or self._pausing):
            walk, indices = ready[-1]
            index = next(indices, None)
            if index is None:
                ready.pop()
            else:
                self._begin(walk, index)

    def _push(self, walk: plan.Walk, index: int) -> None:
        self._ready.append((walk, iter((index,))))

    # beginning

    def _begin(self, walk: plan.Walk, index: int) -> None:
        if index < 0 or walk.pairwise:
            decision, why = verdicts.verdict(walk, index)
            if decision is triggers.Decision.PAUSE:
                passed = self._reuse is not None and self._reuse.passed(walk.slug, index)
                if not passed and not self._may_pass(walk, index, why):
                    return
            elif decision is not triggers.Decision.RUN:
                self._refuse(walk, index, decision, why)
                return
        if walk.node.mapped and index < 0:
            self._expand(walk)
            return
        if self._reuse is not None and self._take_over(self._reuse, walk, index):
            return
        if self._gate.limited and self._waits_for_slot(walk, index):
            return
        try:
            given = inputs.of_task(walk, self.walks) if index < 0 else inputs.of_child(walk, index)
        except Exception as error:  # noqa: BLE001 - filling in users' values (hashing them into sets) may raise anything
            self._fail(walk, index, task_runner.failed(error, retryable=False), attempt=1)
            return
        self._launch(walk, index, given)

    def _waits_for_slot(self, walk: plan.Walk, index: int) -> bool:
        attempt = self._trials.get((walk, index), trials.Trial()).attempt
        held = self._gate.hold_back(walk.slug, index, attempt, walk.node.tags | walk.options.tags)
        if held is not None:
            self._enter(walk, index, held, attempt=attempt)
        return held is not None

    def _launch(self, walk: plan.Walk, index: int, given: dict[str, Any]) -> None:
        trial = self._trials.get((walk, index)) if self._trials else None
        resumed = bool(self._approved) and (walk.slug, index) in self._approved
        if trial is None:
            own = task_runner.Own(index, 1, given, resumed=resumed)
        else:
            own = task_runner.Own(
                index, trial.attempt, given, trial.loop_count, trial.loop_value, resumed, trial.key
            )
        work = walk.work
        if work is None:
            of = self._terms
            work = walk.work = task_runner.work(
                walk.node,
                of.run,
                of.store,
                log_prints=of.log_prints,
                persist=of.persist,
                largest=of.largest,
            )
        if walk.node.kind in plan.INLINE:
            self._answer(trials.Flight(walk, own, looking=False), task_runner.execute(work, own))
        else:
            self._submit(walk, own, looking=work.looks_up and trial is None)

    def _submit(self, walk: plan.Walk, own: task_runner.Own, *, looking: bool) -> None:
        work = walk.work
        assert work is not None
        ticket = next(self._tickets)
        self._flights[ticket] = flight = trials.Flight(walk, own, looking)
        name, placement = walk.slug, walk.options.dask
        if looking:
            call = executors.Call(ticket, task_runner.look_up, work, own, None, False, name, placement)
        else:
            if not self._executor.queues:
                self._begun(flight, datetime.now(UTC))
            timeout, alone = walk.timeout, work.is_async
            call = executors.Call(ticket, task_runner.execute, work, own, timeout, alone, name, placement)
        self._executor.submit(call)

    def _begun(self, flight: trials.Flight, at: datetime) -> None:
        walk, own = flight.walk, flight.own
        if own.loop_count == 1 and not flight.looking:
            self._enter(walk, own.map_index, states.State(T.RUNNING, "Running", at), attempt=own.attempt)

    def _refuse(self, walk: plan.Walk, index: int, decision: triggers.Decision, why: str) -> None:
        if decision is triggers.Decision.SKIP:
            self._finish(walk, index, T.SUCCESS, "Skipped", why)
        else:
            self._finish(
                walk, index, T.FAILED, "TriggerFailed", why, errors.TaskFailed(f"task '{walk.slug}': {why}")
            )

    def _take_over(self, known: reuse.Reuse, walk: plan.Walk, index: int) -> bool:
        """Instead of running it, where it has succeeded before and its value can still be read."""
        try:
            taken = known.take(walk, index)
        except errors.ResultError as error:
            if self._terms.unreadable_fails:
                self._fail(walk, index, task_runner.failed(error, retryable=False), attempt=1)
                return True
            with context.entered(self._context(walk, index, 1)):
                logger.warning("task '%s' is run again: %s", walk.slug, error)
            taken = None
        if taken is None:
            missing = known.runs(walk, index)
            if missing is not None:
                message = (
                    f"the value of '{missing}' was not kept, and is needed after all: re-run from '{missing}'"
                )
                self._fail(
                    walk, index, task_runner.failed(errors.ResultError(message), retryable=False), attempt=1
                )
            return missing is not None
        self._finish(walk, index, T.SUCCESS, taken.name, taken.message, taken.value, taken.result)
        return True

    def _context(self, walk: plan.Walk, index: int, attempt: int) -> context.Task:
        return context.Task(
            self._terms.run, walk.options.name, walk.slug, index, attempt, walk.slug, walk.node.tags
        )

    # mapping

    def _expand(self, walk: plan.Walk) -> None:
        try:
            warning = mapping.expand(walk, self.walks)
        except Exception as error:  # noqa: BLE001 - as for the inputs of any task
            self._fail(walk, -1, task_runner.failed(error, retryable=False), attempt=1)
            return
        if warning:
            with context.entered(self._context(walk, -1, 1)):
                logger.warning("task '%s': %s", walk.slug, warning)
        now = datetime.now(UTC)
        self._enter(walk, -1, states.State(T.RUNNING, "Mapped", now, f"{walk.left} children"))
        # Below the followers: they must have children before the first of these ends, to go on with it at once.
        if walk.left:
            self._ready.append((walk, mapping.children_to_start(walk)))
        for follower in reversed(walk.followers):
            if follower.pairwise:
                self._count_down(follower.walk)
        if not walk.left:
            self._finish(walk, -1, *mapping.together(walk))

    def _finish_child(self, walk: plan.Walk, index: int, state: states.State) -> None:
        mapping.count(walk, state)
        for after in mapping.followers_of_child(walk, index):
            self._push(after, index)
        if not walk.left:
            self._finish(walk, -1, *mapping.together(walk))

    # ending

    def _land(self, ending: executors.Ending) -> None:
        if ending.kind is executors.Kind.RELEASED:
            self._release(ending.ticket)
            return
        if ending.kind is executors.Kind.BEGUN:
            self._begun(self._flights[ending.ticket], ending.value)
            return
        flight = self._flights.pop(ending.ticket)
        walk, own = flight.walk, flight.own
        match ending.kind:
            case executors.Kind.DONE:
                self._answer(flight, ending.value)
            case executors.Kind.TIMED_OUT:
                self._time_out(ending, walk, own)
            case executors.Kind.CANCELLED:
                self._cancel(walk, own.map_index, own.attempt)
            case kind:
                error = errors.TaskFailed(f"task '{walk.slug}': {ending.message}")
                lost = kind is executors.Kind.LOST
                answer = task_runner.Answer("failed", error, ending.message, retryable=lost)
                self._fail(walk, own.map_index, answer, attempt=own.attempt)

    def _answer(self, flight: trials.Flight, answer: task_runner.Answer) -> None:
        walk, own = flight.walk, flight.own
        index = own.map_index
        match answer.kind:
            case "success":
                self._finish(walk, index, T.SUCCESS, "Success", "", answer.value, answer.result, own.attempt)
            case "cached":
                self._finish(walk, index, T.SUCCESS, "Cached", answer.message, answer.value, answer.result)
            case "missed":
                if self.stopped:
                    self._cancel(walk, index, own.attempt)
                else:
                    self._trial(walk, index).key = answer.value
                    self._submit(walk, own._replace(key=answer.value), looking=False)
            case "skip":
                self._finish(walk, index, T.SUCCESS, "Skipped", answer.message)
            case "pause":
                # One approval lets it pass once: it may ask again.
                self._approved.discard((walk.slug, index))
                if self._may_pass(walk, index, answer.message, answer.after):
                    self._push(walk, index)
            case "loop":
                trial = self._trial(walk, index)
                trial.loop_count, trial.loop_value = own.loop_count + 1, answer.value
                self._push(walk, index)
            case _:
                self._fail(walk, index, answer, attempt=own.attempt)

    def _trial(self, walk: plan.Walk, index: int) -> trials.Trial:
        return self._trials.setdefault((walk, index), trials.Trial())

    def _fail(
        self,
        walk: plan.Walk,
        index: int,
        answer: task_runner.Answer,
        *,
        attempt: int,
        name: str = "Failed",
        ticket: int = 0,
    ) -> None:
        """Tries again or fails. `ticket` is that of a call that still runs somewhere and must end before another try."""
        if self.stopped and isinstance(answer.value, errors.RunCancelled):
            self._cancel(walk, index, attempt)
            return
        due = None if self.stopped else trials.next_try(walk, answer, attempt)
        with context.entered(self._context(walk, index, attempt)):
            told = answer.trace or answer.message
            if due is None:
                logger.error("task '%s' failed: %s", _called(walk, index), told)
            else:
                logger.warning(
                    "task '%s' failed and is tried again in %g s (retry %d of %d): %s",
                    _called(walk, index), due, attempt, walk.options.retries, told,
                )  # fmt: skip
        if due is None:
            self._finish(walk, index, T.FAILED, name, answer.message, answer.value, attempt=attempt)
            return
        self._trial(walk, index).attempt = attempt + 1
        self._retrying[walk, index] = None
        now = datetime.now(UTC)
        state = states.State(T.SCHEDULED, "Retrying", now, answer.message, now + timedelta(seconds=due))
        self._enter(walk, index, state, attempt=attempt)
        if ticket:
            self._abandoned[ticket] = ((walk, index), time.monotonic() + due)
        else:
            self._timers.at(time.monotonic() + due, self._retry, walk, index)

    def _retry(self, walk: plan.Walk, index: int) -> None:
        if self._retrying.pop((walk, index), 0) is None and not self.stopped:
            self._push(walk, index)

    def _time_out(self, ending: executors.Ending, walk: plan.Walk, own: task_runner.Own) -> None:
        index, retry_on = own.map_index, walk.options.retry_on
        message = f"it ran longer than its timeout of {walk.timeout:g} s"
        error = errors.TaskTimedOut(f"task '{_called(walk, index)}': {message}")
        retryable = isinstance(error, retry_on) or issubclass(TimeoutError, retry_on)
        answer = task_runner.Answer("failed", error, message, retryable=retryable)
        if ending.abandoned:
            self._abandoned[ending.ticket] = ((walk, index), None)
            self._timers.at(time.monotonic() + executors.GRACE_SECONDS, self._warn_of, ending.ticket)
        ticket = ending.ticket if ending.abandoned else 0
        self._fail(walk, index, answer, attempt=own.attempt, name="TimedOut", ticket=ticket)

    def _release(self, ticket: int) -> None:
        """A call that had timed out has ended after all: now it may be tried again."""
        (walk, index), due = self._abandoned.pop(ticket)
        if due is not None:
            self._timers.at(due, self._retry, walk, index)

    def _warn_of(self, ticket: int) -> None:
        if ticket not in self._abandoned:
            return
        (walk, index), due = self._abandoned[ticket]
        with context.entered(self._context(walk, index, 1)):
            logger.warning(
                "task '%s' has timed out, but its code cannot be interrupted and goes on in its thread; "
                "what it returns is dropped%s. In a process executor it would have been killed.",
                _called(walk, index),
                "" if due is None else ", and it is tried again once it has ended",
            )

    def _cancel(self, walk: plan.Walk, index: int, attempt: int = 1) -> None:
        error, why = (
            errors.RunCancelled(f"task '{_called(walk, index)}' was cancelled"),
            "the run was stopped",
        )
        self._finish(walk, index, T.CANCELLED, "Cancelled", why, error, attempt=attempt)

    def _cancel_rest(self) -> None:
        """What had begun and does not run; what had not begun stays Pending."""
        held_back = ((self.walks[slug], index) for slug, index in self._gate.close())
        for walk, index in [*self._retrying, *self.paused, *held_back]:
            self._cancel(walk, index)
        for walk in self.walks.values():
            if walk.expanded and not walk.state.is_finished:
                self._cancel(walk, -1)

    def _may_pass(self, walk: plan.Walk, index: int, why: str, after: timedelta | None = None) -> bool:
        """Whether a task that pauses was approved, before or now; otherwise it is Paused, or refused and Failed."""
        if (walk.slug, index) in self._approved:
            return True
        if self._terms.approve is None:
            self.paused.append((walk, index))
            self.pauses.append(after)
            self._enter(walk, index, states.State(T.PAUSED, "Paused", datetime.now(UTC), why))
            return False
        if self._terms.approve(walk.slug, index, why):
            self._approved.add((walk.slug, index))
            return True
        message = "it waited for an approval, which was refused"
        error = errors.TaskFailed(f"task '{_called(walk, index)}': {message}")
        self._finish(walk, index, T.FAILED, "Failed", message, error)
        return False

    def _keep_all(self) -> None:
        """The run ends here and goes on in another process: what was not persisted must be readable there."""
        for walk, index, error in reuse.keep(self.walks, self._terms):
            record = walk.state if index < 0 else walk.state[index]
            if error is None:
                self._terms.reporter.task(walk.slug, index, record.state, result=record.stored)
                continue
            with context.entered(self._context(walk, index, 1)):
                logger.warning("task '%s' will be run again when the run goes on: %s", walk.slug, error)

    def _finish(
        self,
        walk: plan.Walk,
        index: int,
        kind: states.StateType,
        name: str,
        message: str,
        value: Any = None,
        result: runs.ResultRef | None = None,
        attempt: int = 1,
    ) -> None:
        if self._trials:
            self._trials.pop((walk, index), None)
        record = walk.state if index < 0 else (walk.state.children or _NO_STATES)[index]
        record.value = value
        record.stored = result
        state = states.State(kind, name, datetime.now(UTC), message)
        self._enter(walk, index, state, attempt=attempt, result=result)
        if index >= 0:
            self._finish_child(walk, index, record.state)
            return
        for follower in reversed(walk.followers):
            if not (follower.pairwise and walk.expanded):
                self._count_down(follower.walk)

    def _count_down(self, walk: plan.Walk) -> None:
        walk.waiting -= 1
        if not walk.waiting:
            self._push(walk, -1)

    def _enter(
        self,
        walk: plan.Walk,
        index: int,
        state: states.State,
        *,
        attempt: int = 1,
        result: runs.ResultRef | None = None,
    ) -> None:
        record = walk.state if index < 0 else (walk.state.children or _NO_STATES)[index]
        if walk.options.on_state:
            with context.entered(self._context(walk, index, attempt)):
                state = hooks.call(walk.options.on_state, walk.node.task, record.state, state)
            if state.is_failure and not isinstance(record.value, BaseException):
                record.value = errors.TaskFailed(
                    f"task '{_called(walk, index)}': {state.message or state.name}"
                )
        record.state = state
        self._terms.reporter.task(walk.slug, index, state, attempt=attempt, result=result)


def _called(walk: plan.Walk, index: int) -> str:
    return walk.slug if index < 0 else f"{walk.slug}[{index}]"
