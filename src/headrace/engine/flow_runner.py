"""Runs a graph, here and now: its executor, its coordinator, what may stop it, and what its final state is."""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from headrace import engine, errors, executors, settings
from headrace.core import reasons, states
from headrace.engine import (
    gate,
    hooks,
    inputs,
    outcome,
    plan,
    remotes,
    results,
    reuse,
    showing,
    terms,
    walker,
)
from headrace.executors import interrupts, kinds, tracebacks
from headrace.graph import context, graph, options
from headrace.graph import showing as shown_to
from headrace.wire import executors as wire_executors

logger = logging.getLogger("headrace.flow")

T = states.StateType
Known = terms.Known

#: How often a run goes on after what runs its tasks was lost.
LOSSES = 3


class FlowRunner:
    """One run of a graph. `run` may be called once; `cancel` and `pause` from any thread and at any time.

    Arguments
    ---------
    run: the facts that `context` answers from; its `parameters` are the run's, validated.
    executor: the descriptor of what runs the tasks.
    reporter: hears of every state.
    store: where results are kept; a local directory of the user's by default.
    known: what earlier attempts of this run recorded, by slug and map index, and the run that it is a re-run of. Task
        runs that succeeded and whose result can be read are not run again; those that were Paused are taken as approved.
        `unreadable_fails`: a recorded result that cannot be read fails its task, instead of being computed again.
    approve: asked, with slug, map index and reason, where a task pauses; without it the run ends Paused, and the values
        of all tasks are kept then.
    persist: keep the value of every task that does not say otherwise, as soon as it is there, if it can be kept and has
        no more bytes than `largest`.
    tag_slots: what tasks with limited tags pass through.
    log_prints: for tasks that do not say.
    timeout: seconds after which the run ends as Failed (TimedOut).
    pause_timeout: after how long a task's pause is to end where the task does not say.
    on_state: hooks of the flow, called with `subject` (the flow).
    """

    def __init__(
        self,
        of: graph.Graph,
        *,
        run: context.Run,
        executor: wire_executors.Executor | None = None,
        reporter: engine.Reporter | None = None,
        store: results.ResultStore | None = None,
        known: Mapping[tuple[str, int], Known] | None = None,
        unreadable_fails: bool = False,
        approve: Callable[[str, int, str], bool] | None = None,
        persist: bool = False,
        largest: int | None = None,
        tag_slots: gate.Gate | None = None,
        log_prints: bool = False,
        timeout: float | None = None,
        pause_timeout: timedelta | None = None,
        on_state: tuple[options.Hook, ...] = (),
        subject: Any = None,
    ) -> None:
        self._graph = of
        self._descriptor = executor or wire_executors.LocalExecutor()
        self._timeout = timeout
        self._pause_timeout = pause_timeout
        #: Of a run that has ended Paused: after how long the pause is to end, if ever.
        self.pause_ends_after: timedelta | None = None
        self._hooks = on_state
        self._subject = of if subject is None else subject
        self._terms = terms.Terms(
            run=run if run.started_at else dataclasses.replace(run, started_at=datetime.now(UTC)),
            reporter=reporter or engine.Silent(),
            store=store or results.ResultStore(default_directory()),
            known=known or {},
            unreadable_fails=unreadable_fails,
            approve=approve,
            log_prints=log_prints,
            persist=persist,
            largest=largest,
            tag_slots=tag_slots or gate.Gate(),
        )
        self._has_server = reporter is not None
        # Re-entrant: `cancel` may come from a signal handler, in the thread that holds it.
        self._lock = threading.RLock()
        self._walker: walker.Walker | None = None
        #: Why it was told to stop, if it was: cancelled or timed out.
        self._stopped_as: str | None = None
        self._pausing = self._held = False
        #: What runs the tasks is gone and does not come back: in words.
        self._gone = ""

    def run(self) -> outcome.FlowState:
        """Walks the graph to its end. Raises only what is no outcome of the run: a graph that is wrong, KeyboardInterrupt."""
        walks = plan.plan(self._graph)
        self._terms.reporter.on_cancel(self.cancel)
        shown = showing.Shown(self._terms.reporter, keeps=not self._has_server)
        with context.entered(self._terms.run), shown_to.to(shown.take), self._stoppable():
            before = self._announce(outcome.PENDING, T.RUNNING, "Running", "")
            walks = self._walk(walks)
            state, exception = self._conclude(walks)
            value = None
            if state.is_success:
                try:
                    value = inputs.whole(self._graph.result, walks)
                except Exception as error:  # noqa: BLE001 - putting users' values together may raise anything
                    message = f"what the flow returns cannot be put together: {tracebacks.sentence(error)}"
                    state = states.State(T.FAILED, "Failed", state.at, message, code="flow_failed")
                    exception = error
            state = hooks.call(self._hooks, self._subject, before, state)
            if state.is_failure and exception is None:
                exception = errors.RunFailed(state.message or state.name)
            value = value if state.is_success else None
        tasks = {slug: walk.state for slug, walk in walks.items()}
        return outcome.FlowState(
            self._graph.name, state, tasks, value=value, exception=exception, artifacts=shown.kept
        )

    def cancel(self) -> None:
        """Ends the run as Cancelled: nothing is started any more, and what runs is interrupted."""
        self._stop("cancelled")

    def pause(self) -> None:
        """Ends the run as Paused when the tasks that run have ended, if something is left to do then."""
        with self._lock:
            self._pausing = True
            if self._walker is not None:
                self._walker.pause()

    def _stop(self, why: str) -> None:
        with self._lock:
            if self._stopped_as is None:
                self._stopped_as = why
                if self._walker is not None:
                    self._walker.stop()

    @contextlib.contextmanager
    def _stoppable(self) -> Generator[None]:
        """By a timer, and, of a run inside a task, by what interrupts that task."""
        timer = None if self._timeout is None else threading.Timer(self._timeout, self._stop, ("timed out",))
        outer = interrupts.current()
        with contextlib.ExitStack() as stack:
            if outer is not None:
                stack.enter_context(outer.diverted(self.cancel))
            if timer is not None:
                timer.daemon = True
                timer.start()
                stack.callback(timer.cancel)
            yield

    def _walk(self, walks: dict[str, plan.Walk]) -> dict[str, plan.Walk]:
        """Walks the graph; again, from what was kept, where that which runs the tasks is gone. What was walked."""
        losses = 0
        while True:
            try:
                self._walk_once(walks)
            except executors.Gone as error:
                losses += 1
                if losses > LOSSES or self._stopped_as is not None:
                    self._gone = str(error)
                    return walks
                logger.warning("%s: the run begins again there, with the results that were kept", error)
            except errors.LaunchError as error:
                if not losses:
                    raise
                self._gone = error.message
                return walks
            else:
                return walks
            self._terms = dataclasses.replace(self._terms, known=reuse.known(walks, self._terms))
            walks = plan.plan(self._graph)

    def _walk_once(self, walks: dict[str, plan.Walk]) -> None:
        hear: list[Callable[[int, logging.LogRecord], None]] = []
        executor = kinds.build(self._descriptor, lambda ticket, record: hear[0](ticket, record))
        try:
            walking = walker.Walker(walks, executor, self._terms)
            hear.append(walking.hear)
            with self._lock:
                self._walker = walking
                if self._stopped_as is not None:
                    walking.stop()
                if self._pausing:
                    walking.pause()
            walking.walk()
            remotes.bring(walks, self._graph.result, everything=not self._has_server)
            self._held = walking.held
            pauses = [after or self._pause_timeout for after in walking.pauses]
            self.pause_ends_after = min((after for after in pauses if after is not None), default=None)
        finally:
            # An executor that is closed must not be interrupted any more.
            with self._lock:
                self._walker = None
            executor.close()

    def _announce(
        self, before: states.State, kind: states.StateType, name: str, message: str
    ) -> states.State:
        return hooks.call(
            self._hooks, self._subject, before, states.State(kind, name, datetime.now(UTC), message)
        )

    def _conclude(self, walks: dict[str, plan.Walk]) -> tuple[states.State, BaseException | None]:
        """The reference tasks decide, unless the run was stopped or waits for an approval."""
        now = datetime.now(UTC)
        if self._gone:
            return states.State(T.FAILED, "Failed", now, self._gone, code="flow_failed"), errors.RunFailed(
                f"the run of '{self._graph.name}' failed: {self._gone}"
            )
        references = [walks[slug] for slug in self._graph.reference_tasks]
        unfinished = [walk for walk in references if not walk.state.is_finished]
        if self._stopped_as is not None and (unfinished or _any(references, T.CANCELLED)):
            if self._stopped_as == "timed out":
                why = reasons.because("timed_out", seconds=self._timeout)
                return states.State(T.FAILED, "TimedOut", now, why.sentence, code=why.code), errors.RunFailed(
                    f"the run of '{self._graph.name}' timed out: {why.sentence}"
                )
            error = errors.RunCancelled(f"the run of '{self._graph.name}' was cancelled")
            return states.State(
                T.CANCELLED, "Cancelled", now, "cancelled while it ran", code="cancelled"
            ), error
        paused = [walk for walk in walks.values() if _is_paused(walk)]
        if paused:
            names = ", ".join(f"'{walk.slug}'" for walk in paused)
            return states.State(T.PAUSED, "Paused", now, f"waits for an approval of {names}"), None
        if self._held:
            return states.State(T.PAUSED, "Paused", now), None
        failed = [walk for walk in references if walk.state.is_failure]
        if failed:
            return _failure(failed, now)
        if _any(references, T.CANCELLED):
            ended = states.State(T.CANCELLED, "Cancelled", now, "tasks were cancelled", code="cancelled")
            return ended, errors.RunCancelled()
        return states.State(T.SUCCESS, "Success", now), None


def default_directory() -> Path:
    """Where results are kept when nothing else is said."""
    return settings.home() / "results"


def _any(walks: list[plan.Walk], kind: states.StateType) -> bool:
    return any(walk.state.type is kind for walk in walks)


def _is_paused(walk: plan.Walk) -> bool:
    children = walk.state.children
    if children is None or walk.state.is_finished:
        return walk.state.type is T.PAUSED
    return any(child.type is T.PAUSED for child in children)


def _failure(failed: list[plan.Walk], now: datetime) -> tuple[states.State, BaseException | None]:
    """Failed, because of what failed first on the way to the first reference task that failed."""
    origin = _origin(failed[0])
    exception = origin.state.exception
    why = reasons.because("task_failed", task=origin.slug, why=origin.state.message)
    return states.State(T.FAILED, "Failed", now, why.sentence, code=why.code), exception


def _origin(walk: plan.Walk) -> plan.Walk:
    """The task whose own failure made this one fail, up the edges; itself where no upstream failed."""
    while walk.state.name == "TriggerFailed" or _only_triggers_failed(walk):
        above = next((each.walk for each in walk.upstreams if each.walk.state.is_failure), None)
        if above is None:
            break
        walk = above
    return walk


def _only_triggers_failed(walk: plan.Walk) -> bool:
    children = walk.state.children or ()
    failures = [child for child in children if child.is_failure]
    return bool(failures) and all(child.name == "TriggerFailed" for child in failures)
