"""The options of a task: what people may write, and the normal form that the engine reads."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypedDict, cast

from headrace import errors
from headrace.graph import caching, pickled, placement, triggers

#: Called as hook(task, before, after) with states; a state that it returns takes the place of `after`.
Hook = Callable[..., Any]
Duration = timedelta | float
DelayFunction = Callable[[int], Duration]


class Serializer(Protocol):
    """Turns a task's value into bytes and back. `name` is kept beside the result."""

    name: str

    def dumps(self, value: Any) -> bytes: ...
    def loads(self, data: bytes) -> Any: ...


class Keywords(TypedDict, total=False):
    """The options as people write them."""

    name: str
    #: How often a failed task is tried again.
    retries: int
    #: Before each retry: a time, seconds, a list of them, or a function of the retry's number (from 1).
    retry_delay: Duration | Sequence[Duration] | DelayFunction
    #: Each delay is this factor longer than the one before.
    backoff: float
    #: Up to this share is added to each delay at random.
    jitter: float
    retry_on: type[BaseException] | Iterable[type[BaseException]]
    timeout: Duration | None
    tags: Iterable[str]
    trigger: triggers.Trigger | triggers.Rule
    skip_on_upstream_skip: bool
    cache: timedelta | caching.CachePolicy | bool | None
    #: A name or template that tasks sharing a cache have in common, or a function of the inputs.
    cache_key: str | Callable[..., str] | None
    #: Whether the value is kept in the flow's results; None leaves it to the flow.
    persist: bool | None
    #: A template (or function) of the place where the value is; if something is there the task is not run.
    target: str | Callable[..., str] | None
    serializer: str | Serializer | None
    on_state: Hook | Iterable[Hook]
    log_prints: bool | None
    #: How many values the task returns, so that its future can be unpacked.
    nout: int | None
    #: A template (or function) for the name of each run of the task.
    run_name: str | Callable[..., str] | None
    description: str
    #: Where it runs on a Dask cluster: resources, priority, workers, allow_other_workers, retries.
    dask: Mapping[str, Any] | None


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options in their normal form."""

    name: str
    retries: int = 0
    retry_delay: tuple[float, ...] | DelayFunction = (0.0,)
    backoff: float = 1.0
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    timeout: timedelta | None = None
    tags: frozenset[str] = frozenset()
    trigger: triggers.Trigger = triggers.all_successful
    skip_on_upstream_skip: bool = True
    cache: caching.CachePolicy | None = None
    cache_key: str | Callable[..., str] | None = None
    persist: bool | None = None
    target: str | Callable[..., str] | None = None
    serializer: str | Serializer | None = None
    on_state: tuple[Hook, ...] = ()
    log_prints: bool | None = None
    nout: int | None = None
    run_name: str | Callable[..., str] | None = None
    description: str = ""
    dask: Mapping[str, Any] | None = None

    def delay_before(self, retry: int, fraction: float = 0.0) -> timedelta:
        """How long to wait before the retry of this number (from 1); `fraction` in [0, 1) is the caller's random number."""
        if callable(self.retry_delay):
            delay = seconds("retry_delay", self.retry_delay(retry))
        else:
            delay = self.retry_delay[min(retry, len(self.retry_delay)) - 1]
        return timedelta(seconds=delay * self.backoff ** (retry - 1) * (1 + self.jitter * fraction))


def options(given: Mapping[str, Any], *, name: str, before: Options | None = None) -> Options:
    """The normal form of what was written, on top of `before`. Raises errors.GraphError with the option named."""
    chosen: dict[str, Any] = {"name": name}
    for option, value in given.items():
        if option not in _NORMAL:
            raise errors.GraphError(f"task '{name}' has no option '{option}'{suggestion(option, _NORMAL)}.")
        try:
            chosen[option] = _NORMAL[option](option, value)
        except (TypeError, ValueError) as error:
            raise errors.GraphError(f"task '{name}': {error}") from None
    result = Options(**chosen) if before is None else dataclasses.replace(before, **chosen)
    if result.cache_key is not None and result.cache is None:
        result = dataclasses.replace(result, cache=caching.CachePolicy())
    return result


def suggestion(word: str, known: Iterable[str]) -> str:
    """Beside a name that is unknown: “ (did you mean …?)” with the nearest known one, or the list where it is short."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f" (did you mean '{near[0]}'?)"
    return f" (there is {', '.join(repr(name) for name in names)})" if 0 < len(names) <= 8 else ""


def seconds(option: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option} is {value!r}; give a timedelta or seconds.")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{option} is {value!r}; a time cannot be negative or endless.")
    return float(value)


def text(option: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{option} is {value!r}; give a string.")
    return value


def name(option: str, value: Any) -> str:
    given = text(option, value).strip()
    if not given:
        raise ValueError("name is empty; leave it out to use the function's name.")
    return given


def count(option: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{option} is {value!r}; give a whole number from 0.")
    return value


def _nout(option: str, value: Any) -> int | None:
    return None if value is None else count(option, value)


def yes_or_no(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{option} is {value!r}; give True or False.")
    return value


def yes_no_or_default(option: str, value: Any) -> bool | None:
    return None if value is None else yes_or_no(option, value)


def _delays(option: str, value: Any) -> tuple[float, ...] | DelayFunction:
    if callable(value):
        return cast("DelayFunction", value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = cast("Sequence[Any]", value)
        if not items:
            raise ValueError("retry_delay is an empty list; give one time for each retry.")
        return tuple(seconds(option, item) for item in items)
    return (seconds(option, value),)


def _factor(option: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{option} is {value!r}; give a number from 0.")
    return float(value)


def timeout(option: str, value: Any) -> timedelta | None:
    if value is None:
        return None
    given = seconds(option, value)
    if given == 0:
        raise ValueError("timeout is 0; leave it out for none.")
    return timedelta(seconds=given)


def _exceptions(option: str, value: Any) -> tuple[type[BaseException], ...]:
    given: tuple[Any, ...] = (value,) if isinstance(value, type) else tuple(value)
    for item in given:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise TypeError(f"{option} holds {item!r}; give exception classes.")
    return given


def _tags(option: str, value: Any) -> frozenset[str]:
    if isinstance(value, str):
        raise TypeError(f"tags is the string {value!r}; give a set such as {{{value!r}}}.")
    return frozenset(text(option, item) for item in value)


def _trigger(option: str, value: Any) -> triggers.Trigger:
    if isinstance(value, triggers.Trigger):
        return value
    if value in (triggers.some_successful, triggers.some_failed):
        return value()
    if callable(value):
        return triggers.Trigger(
            getattr(value, "__name__", type(value).__name__), cast("triggers.Rule", value)
        )
    raise TypeError(f"{option} is {value!r}; give one of headrace's triggers, or a function of counts.")


def _cache(option: str, value: Any) -> caching.CachePolicy | None:
    if value is None or value is False:
        return None
    if value is True:
        return caching.CachePolicy()
    if isinstance(value, timedelta):
        return caching.CachePolicy(value)
    if isinstance(value, caching.CachePolicy):
        return value
    raise TypeError(f"{option} is {value!r}; give a timedelta or a CachePolicy.")


def _template(option: str, value: Any) -> Any:
    if value is None or isinstance(value, str) or callable(value):
        return value
    raise TypeError(f"{option} is {value!r}; give a template string or a function.")


def _serializer(option: str, value: Any) -> Any:
    if value is None or isinstance(value, str) or (hasattr(value, "dumps") and hasattr(value, "loads")):
        return value
    raise TypeError(
        f"serializer is {value!r}; give a name such as 'json', or an object with `dumps` and `loads`."
    )


def hooks(option: str, value: Any) -> tuple[Hook, ...]:
    """One hook or several, as a tuple. Raises TypeError."""
    given: tuple[Any, ...] = (value,) if callable(value) else tuple(value)
    for item in given:
        if not callable(item):
            raise TypeError(f"{option} holds {item!r}; give functions of (what, before, after).")
    return given


_NORMAL: dict[str, Callable[[str, Any], Any]] = {
    "name": name,
    "retries": count,
    "retry_delay": _delays,
    "backoff": _factor,
    "jitter": _factor,
    "retry_on": _exceptions,
    "timeout": timeout,
    "tags": _tags,
    "trigger": _trigger,
    "skip_on_upstream_skip": yes_or_no,
    "cache": _cache,
    "cache_key": _template,
    "persist": yes_no_or_default,
    "target": _template,
    "serializer": _serializer,
    "on_state": hooks,
    "log_prints": yes_no_or_default,
    "nout": _nout,
    "run_name": _template,
    "description": text,
    "dask": placement.checked,
}
