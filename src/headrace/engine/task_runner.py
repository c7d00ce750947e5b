"""One attempt of one task, from its inputs to its answer. This runs where the executor says: here, on a thread, in a worker.

`look_up` and `execute` are the calls that executors are given: a `Work` that all runs of a task share, and an `Own` for each.
They answer, and raise nothing but executors.Interrupted.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, NamedTuple

from headrace import errors, executors, tracing
from headrace.engine import caching, prints, results
from headrace.executors import interrupts, pickling, tracebacks
from headrace.graph import caching as policies
from headrace.graph import context, graph, options, task
from headrace.wire import runs

logger = logging.getLogger("headrace.task")


@dataclasses.dataclass(slots=True, kw_only=True)
class Work:
    """What all runs of a task in a flow run have in common. Not frozen, which would triple what making one costs."""

    run: context.Run
    slug: str
    name: str
    function: Callable[..., Any]
    is_async: bool
    tags: frozenset[str]
    log_prints: bool
    #: Its value is kept: because the task says so, or because the run keeps what it can, up to so many bytes.
    persist: bool
    must_persist: bool
    largest: int | None
    retry_on: tuple[type[BaseException], ...]
    cache: policies.CachePolicy | None
    cache_key: str | Callable[..., str] | None
    target: str | Callable[..., str] | None
    serializer: str | options.Serializer | None
    run_name: str | Callable[..., str] | None
    store: results.ResultStore

    @property
    def looks_up(self) -> bool:
        """Whether its value may be there already."""
        return self.cache is not None or self.target is not None


def work(
    node: graph.Node,
    run: context.Run,
    store: results.ResultStore,
    *,
    log_prints: bool,
    persist: bool,
    largest: int | None,
) -> Work:
    """The work of a node; `log_prints` and `persist` hold where the task does not say.

    What is recomputed at no cost is not kept, and what a resource set up is gone with its process.
    """
    given = node.task.options
    keeps = node.kind not in ("parameter", "case", "merge", "resource")
    return Work(
        run=run,
        slug=node.slug,
        name=given.name,
        function=node.task.function,
        is_async=_is_async(node.task),
        tags=node.tags | given.tags,
        log_prints=log_prints if given.log_prints is None else given.log_prints,
        persist=keeps and (persist if given.persist is None else given.persist),
        must_persist=keeps and given.persist is True,
        largest=largest,
        retry_on=given.retry_on,
        cache=given.cache,
        cache_key=given.cache_key,
        target=given.target,
        serializer=given.serializer,
        run_name=given.run_name,
        store=store,
    )


@functools.lru_cache(maxsize=256)
def _is_async(of: task.Task[..., Any]) -> bool:
    """`inspect` takes 10 µs to tell, and many nodes are made of one task."""
    return of.is_async


class Own(NamedTuple):
    """What is one attempt's own. `key`: of the cache or the target, as `look_up` found it."""

    map_index: int
    attempt: int
    inputs: dict[str, Any]
    loop_count: int = 1
    loop_value: Any = None
    resumed: bool = False
    key: str | None = None


@dataclasses.dataclass(slots=True)
class Answer:
    """How an attempt ended. `kind`: success, cached, missed, skip, failed, retry, pause or loop.

    `value` is the exception of one that failed; `trace` its stripped traceback; `retryable` whether another attempt may help.
    """

    kind: str
    value: Any = None
    message: str = ""
    result: runs.ResultRef | None = None
    trace: str = ""
    retryable: bool = False
    after: timedelta | None = None

    @property
    def carries(self) -> bool:
        """Whether `value` may stay where it was made."""
        return self.kind in ("success", "cached", "loop")

    def __reduce__(self) -> tuple[Any, ...]:
        """Exceptions cross processes with their traceback as text; one that cannot cross is told in words."""
        if not isinstance(self.value, BaseException) or self.kind not in ("failed", "retry"):
            return Answer, (
                self.kind,
                self.value,
                self.message,
                self.result,
                self.trace,
                self.retryable,
                self.after,
            )
        try:
            pickled = pickling.dumps(self.value)
        except Exception:  # noqa: BLE001 - pickling users' exceptions may raise anything
            pickled = b""
        return _revive, (self.kind, pickled, self.message, self.trace, self.retryable, self.after)


def _revive(
    kind: str,
    pickled: bytes,
    message: str,
    trace: str,
    retryable: bool,
    after: timedelta | None,
) -> Answer:
    try:
        value = pickling.loads(pickled)
    except Exception:  # noqa: BLE001 - a user's exception may refuse to be made again
        value = errors.TaskFailed(message)
    if trace:
        value.add_note(f"In a worker process:\n{trace}")
    return Answer(kind, value, message, None, trace, retryable, after)


def failed(error: BaseException, *, retryable: bool) -> Answer:
    return Answer(
        "failed", error, tracebacks.sentence(error), trace=tracebacks.strip(error), retryable=retryable
    )


def look_up(work: Work, own: Own) -> Answer:
    """Whether the value is at the task's target or in its cache: cached with the value, or missed with the key as value."""
    try:
        with context.entered(_context(work, own)):
            return _look_up(work, own)
    except executors.Interrupted:
        raise
    except BaseException as error:  # noqa: BLE001 - a user's key function or serializer may raise anything
        return failed(error, retryable=False)


def execute(work: Work, own: Own) -> Answer:
    """Runs the task's function and keeps its value where it is to be kept."""
    span = tracing.within(work.run.run_id, work.slug, own.map_index, own.attempt)
    try:
        with context.entered(_context(work, own)), span:
            if work.log_prints:
                with prints.logged(logger):
                    value = _call(work, own)
            else:
                value = _call(work, own)
            return Answer("success", value, "", _keep(work, own, value))
    except executors.Interrupted:
        raise
    except errors.Signal as signal:
        return _from_signal(signal)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is the task's failure, `sys.exit` included
        return failed(error, retryable=isinstance(error, work.retry_on))


def _look_up(work: Work, own: Own) -> Answer:
    facts = _facts(work, own)
    if work.target is not None:
        key = caching.fill(work.target, work.name, own.inputs, facts)
        found = work.store.at(key, work.serializer)
    elif work.cache is not None:
        key = caching.key(work.name, work.function, work.cache, work.cache_key, own.inputs, facts)
        found = work.store.cached(key, work.cache.expires)
    else:
        return Answer("missed")
    if found is None:
        return Answer("missed", key)
    try:
        return Answer("cached", work.store.read(found, work.serializer), f"from {found.location}", found)
    except errors.ResultError as error:
        logger.warning("task '%s' is run again: %s", work.name, error)
        return Answer("missed", key)


def _context(work: Work, own: Own) -> context.Task:
    name = work.slug
    if work.run_name is not None:
        name = caching.fill(work.run_name, work.name, own.inputs, _facts(work, own))
    return context.Task(
        work.run,
        work.name,
        work.slug,
        own.map_index,
        own.attempt,
        name,
        work.tags,
        own.loop_count,
        own.loop_value,
        own.resumed,
        logger,
    )


def _facts(work: Work, own: Own) -> dict[str, Any]:
    """What templates may name beside the inputs."""
    run = work.run
    return {
        "task_name": work.name,
        "task_slug": work.slug,
        "map_index": own.map_index,
        "flow_name": run.flow_name,
        "run_id": run.run_id,
        "run_name": run.run_name,
        "project": run.project,
        "scheduled_at": run.scheduled_at,
        "parameters": run.parameters,
    }


def _call(work: Work, own: Own) -> Any:
    if work.is_async:
        return _complete(work.function(**own.inputs))
    return work.function(**own.inputs)


def _complete(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs the coroutine in an event loop of its own; an interruption cancels it there, where a thread's would not arrive."""
    import asyncio  # 40 ms that only asynchronous tasks should cost

    interruption = interrupts.current()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        running = loop.create_task(coroutine)

        def cancel() -> None:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop has just been closed: there is nothing left to cancel
                loop.call_soon_threadsafe(running.cancel)

        async def wait() -> Any:
            return await running

        if interruption is None:
            return runner.run(wait())
        try:
            with interruption.diverted(cancel):
                return runner.run(wait())
        except asyncio.CancelledError:
            if interruption.sent:
                raise executors.Interrupted from None
            raise


def _keep(work: Work, own: Own, value: Any) -> runs.ResultRef | None:
    if own.key is not None:
        if work.target is not None:
            return work.store.write(value, own.key, work.serializer)
        return work.store.cache(value, own.key, work.serializer)
    if work.must_persist:
        place = f"{_folder(work)}/{results.name(work.slug, own.map_index)}"
        return work.store.write(value, place, work.serializer)
    return _keep_if_possible(work, own, value) if work.persist else None


def _keep_if_possible(work: Work, own: Own, value: Any) -> runs.ResultRef | None:
    """A task whose author did not ask for it does not fail because its value cannot be kept; a re-run runs it again."""
    name = results.name(work.slug, own.map_index)
    try:
        return work.store.keep(value, _folder(work), name, work.serializer, largest=work.largest)
    except errors.ResultError as error:
        # one word for all children of a mapped task
        level = logging.WARNING if own.map_index <= 0 else logging.DEBUG
        logger.log(level, "task '%s': its value is not kept: %s", work.name, error)
        return None


def _folder(work: Work) -> str:
    return results.folder(work.run.run_id, work.run.fence)


def _from_signal(signal: errors.Signal) -> Answer:
    match signal:
        case errors.Skip():
            return Answer("skip", None, signal.message)
        case errors.Retry():
            error = errors.TaskFailed(
                signal.message or "the task asked to be tried again, and has no retries left"
            )
            return Answer("retry", error, signal.message, retryable=True, after=signal.after)
        case errors.Pause():
            return Answer("pause", None, signal.message, after=signal.timeout)
        case errors.Loop():
            return Answer("loop", signal.value, signal.message)
        case _:
            error = errors.TaskFailed(signal.message or "the task chose to fail")
            return Answer("failed", error, signal.message or str(error))
