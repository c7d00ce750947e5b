"""The options of a flow: what people may write, and their normal form."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from headrace import errors
from headrace.graph import options as task_options
from headrace.graph import pickled

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.core import schedules
    from headrace.wire import executors, run_configs

OnLost = Literal["crash", "reschedule"]


class InBucket(Protocol):
    """What an ObjectStore says: a bucket's URL and how it is reached."""

    options: dict[str, str]
    variables: dict[str, str]

    @property
    def url(self) -> str: ...


class Keywords(TypedDict, total=False):
    """The options of a flow, as people write them."""

    name: str
    schedule: "schedules.Schedule | Sequence[schedules.Schedule] | None"
    executor: "executors.Executor | None"
    run_config: "run_configs.RunConfig | None"
    #: Where the content is kept; None: a file of this user on this machine.
    storage: Any
    labels: Iterable[str]
    #: How often a failed flow run is tried again by the server.
    retries: int
    retry_delay: task_options.Duration
    timeout: task_options.Duration | None
    #: After how long a run that waits for an approval fails, where the task that waits does not say.
    pause_timeout: task_options.Duration | None
    #: What becomes of a run whose process is lost: `crash` runs it at most once, `reschedule` at least once.
    on_lost: OnLost
    lost_after: task_options.Duration | None
    #: Where tasks' results are kept: a directory, a bucket's URL (`s3://bucket/prefix`), or an ObjectStore.
    results: "str | Path | InBucket | None"
    #: Whether values of tasks that do not say are kept; None: in runs that a server knows of, up to a size.
    persist: bool | None
    on_state: task_options.Hook | Iterable[task_options.Hook]
    log_prints: bool
    #: The author's own word for the code, in place of its digest.
    version: str | None
    description: str


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options in their normal form."""

    name: str
    schedule: "tuple[schedules.Schedule, ...]" = ()
    executor: "executors.Executor | None" = None
    run_config: "run_configs.RunConfig | None" = None
    storage: Any = None
    labels: frozenset[str] = frozenset()
    retries: int = 0
    retry_delay: timedelta = timedelta(0)
    timeout: timedelta | None = None
    pause_timeout: timedelta | None = None
    on_lost: OnLost = "crash"
    lost_after: timedelta | None = None
    results: Any = None
    persist: bool | None = None
    on_state: tuple[task_options.Hook, ...] = ()
    log_prints: bool = False
    version: str | None = None
    description: str = ""


def options(given: Mapping[str, Any], name: str, *, before: Options | None = None) -> Options:
    """The normal form of what was written, on top of `before`. Raises errors.GraphError with the option named."""
    chosen: dict[str, Any] = {}
    for option, value in {"name": name, **given}.items():
        if option not in _NORMAL:
            raise errors.GraphError(
                f"flow '{name}' has no option '{option}'{task_options.suggestion(option, _NORMAL)}."
            )
        try:
            chosen[option] = _NORMAL[option](option, value)
        except (TypeError, ValueError) as error:
            raise errors.GraphError(f"flow '{name}': {error}") from None
    return Options(**chosen) if before is None else dataclasses.replace(before, **chosen)


def _descriptor(option: str, value: Any) -> Any:
    if value is None or (hasattr(value, "__struct_fields__") and not isinstance(value, type)):
        return value
    examples = {"executor": "ThreadExecutor(workers=4)", "run_config": "LocalRun(env={...})"}
    raise TypeError(f"{option} is {value!r}; give one such as `{examples[option]}`.")


def _storage(option: str, value: Any) -> Any:
    if value is None or (hasattr(value, "save") and hasattr(value, "load") and not isinstance(value, type)):
        return value
    raise TypeError(f"{option} is {value!r}; give one such as `Local()`.")


def _schedules(option: str, value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    given: list[Any] = list(value) if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownArgumentType]
    for item in given:
        if not hasattr(item, "clocks"):
            raise TypeError(
                f"{option} is {item!r}; give `cron(...)`, `every(...)`, `rrule(...)`, `dates(...)`, or a list of them."
            )
    return tuple(given)


def _labels(option: str, value: Any) -> frozenset[str]:
    from headrace.core import labels

    if isinstance(value, str):
        raise TypeError(f"labels is the string {value!r}; give a list such as [{value!r}].")
    try:
        return frozenset(labels.normalised(value))
    except errors.Invalid as error:
        raise ValueError(error.message) from None


def _delay(option: str, value: Any) -> timedelta:
    return timedelta(seconds=task_options.seconds(option, value))


def _on_lost(option: str, value: Any) -> str:
    if value not in ("crash", "reschedule"):
        raise ValueError(
            f"on_lost is {value!r}; give 'crash' (at most once) or 'reschedule' (at least once)."
        )
    return value


def _results(option: str, value: Any) -> Any:
    """A path; a bucket's URL and what has one stay as they are."""
    from pathlib import Path

    if value is None or hasattr(value, "url"):
        return value
    if "://" not in str(value):
        return Path(value).expanduser()
    from headrace.wire import storage

    if not storage.is_bucket(value):
        raise ValueError(
            f"{option} is {value!r}; give a directory or a bucket's URL: {', '.join(f'{scheme}://…' for scheme in storage.BUCKETS)}."
        )
    return value


def _word(option: str, value: Any) -> str | None:
    return None if value is None else task_options.text(option, value)


_NORMAL: dict[str, Callable[[str, Any], Any]] = {
    "name": task_options.name,
    "schedule": _schedules,
    "executor": _descriptor,
    "run_config": _descriptor,
    "storage": _storage,
    "labels": _labels,
    "retries": task_options.count,
    "retry_delay": _delay,
    "timeout": task_options.timeout,
    "pause_timeout": task_options.timeout,
    "on_lost": _on_lost,
    "lost_after": task_options.timeout,
    "results": _results,
    "persist": task_options.yes_no_or_default,
    "on_state": task_options.hooks,
    "log_prints": task_options.yes_or_no,
    "version": _word,
    "description": task_options.text,
}
