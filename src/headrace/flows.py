"""Flows: a graph with what is needed to run, register and draw it. Here graph, engine and client meet."""

import contextlib
import dataclasses
import functools
import inspect
import platform
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from headrace import errors
from headrace.graph import building, drawing, parameters, task
from headrace.graph import graph as graphs
from headrace.graph import options as task_options

if TYPE_CHECKING:
    from headrace import storage as storages
    from headrace.client import Client
    from headrace.core import schedules
    from headrace.engine import outcome
    from headrace.wire import executors, flows, run_configs

P = ParamSpec("P")
R = TypeVar("R")

OnLost = Literal["crash", "reschedule"]


class Keywords(TypedDict, total=False):
    """The options of a flow, as people write them."""

    name: str
    schedule: "schedules.Schedule | Sequence[schedules.Schedule] | None"
    executor: "executors.Executor | None"
    run_config: "run_configs.RunConfig | None"
    #: Where the content is kept; None: a file of this user on this machine.
    storage: "storages.Storage | None"
    labels: Iterable[str]
    #: How often a failed flow run is tried again by the server.
    retries: int
    retry_delay: task_options.Duration
    timeout: task_options.Duration | None
    #: What becomes of a run whose process is lost: `crash` runs it at most once, `reschedule` at least once.
    on_lost: OnLost
    lost_after: task_options.Duration | None
    #: The directory in which tasks' results are kept.
    results: str | Path | None
    on_state: task_options.Hook | Iterable[task_options.Hook]
    log_prints: bool
    #: The author's own word for the code, in place of its digest.
    version: str | None
    description: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options in their normal form."""

    name: str
    schedule: "tuple[schedules.Schedule, ...]" = ()
    executor: "executors.Executor | None" = None
    run_config: "run_configs.RunConfig | None" = None
    storage: "storages.Storage | None" = None
    labels: frozenset[str] = frozenset()
    retries: int = 0
    retry_delay: timedelta = timedelta(0)
    timeout: timedelta | None = None
    on_lost: OnLost = "crash"
    lost_after: timedelta | None = None
    results: Path | None = None
    on_state: tuple[task_options.Hook, ...] = ()
    log_prints: bool = False
    version: str | None = None
    description: str = ""


class Flow(Generic[P, R]):
    """A container of tasks that knows how they hang together.

    Made by `@flow` from a function, whose body runs once, at first use, to find the tasks; or filled in a block:
    `with Flow("daily-sales") as f: ...`.
    """

    options: Options

    def __init__(
        self, name: str | None = None, *, function: Callable[P, R] | None = None, **given: Unpack[Keywords]
    ) -> None:
        if name is None and function is None:
            raise errors.GraphError('A flow needs a name: `Flow("daily-sales")`.')
        if function is not None:
            _refuse_body(function)
            functools.update_wrapper(cast("Any", self), function)
        known = given.get("name", name or getattr(function, "__name__", "flow"))
        self.function: Callable[..., Any] | None = function
        self.options = _options(given, known)
        self._graph: graphs.Graph | None = graphs.Graph(self.options.name) if function is None else None
        self._open: list[contextlib.ExitStack] = []
        self._lock = threading.RLock()
        self._is_building = False

    @property
    def name(self) -> str:
        return self.options.name

    def __repr__(self) -> str:
        return f"<Flow {self.name}>"

    # building

    @property
    def graph(self) -> graphs.Graph:
        """The tasks and their edges. Runs the body, the first time."""
        with self._lock:
            if self._graph is None:
                if self._is_building:
                    raise errors.GraphError(
                        f"flow '{self.name}' calls itself in its own body, which would never end; call it inside a task."
                    )
                self._is_building = True
                try:
                    self._graph = self._build()
                finally:
                    self._is_building = False
            return self._graph

    def _build(self) -> graphs.Graph:
        assert self.function is not None
        built = graphs.Graph(self.name)
        given = {
            name: built.add_parameter(definition)
            for name, definition in parameters.of_function(self.function, self.name).items()
        }
        with built.building():
            built.set_result(self.function(**given))
        return built

    def __enter__(self) -> Self:
        if self.function is not None:
            raise errors.GraphError(
                f"flow '{self.name}' is made of a function: its tasks are called there, not in a block."
            )
        stack = contextlib.ExitStack()
        stack.enter_context(self.graph.building())
        self._open.append(stack)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._open.pop().__exit__(*exception)

    def set_reference_tasks(self, futures: Iterable[Any]) -> None:
        """These decide the run's state, instead of the tasks that no other waits for."""
        self.graph.set_reference_tasks(futures)

    def set_result(self, value: Any) -> None:
        """What calling the flow answers: a `return` for the classical form."""
        self.graph.set_result(value)

    def with_options(self, **given: Unpack[Keywords]) -> "Flow[P, R]":
        """The same graph with some options changed; this flow stays as it is."""
        changed: Flow[P, R] = object.__new__(type(self))
        changed.__dict__.update({**self.__dict__, "_lock": threading.RLock(), "_open": []})
        changed.options = _options(given, given.get("name", self.name), before=self.options)
        if changed.name != self.name:
            changed._graph = None if self.function is not None else _renamed(self.graph, changed.name)
        return changed

    # running

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: Any, upstream: Iterable[Any], **kwargs: Any) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the flow here and answers its value, or raises what failed. In another flow's body: a sub-flow."""
        builder = building.current()
        if builder is not None:
            upstream: Iterable[Any] = kwargs.pop("upstream", ())
            return builder.add(
                task.Task(SubFlow(self), kind="flow", name=self.name), args, kwargs, upstream=upstream
            )
        return self._run(self._named(args, kwargs)).unwrap()

    def run(self, /, *args: P.args, **kwargs: P.kwargs) -> "outcome.FlowState":
        """Runs the flow here and answers its state, with the states of its tasks. Raises errors.Invalid for wrong parameters."""
        if building.current() is not None:
            raise errors.GraphError(
                f"`{self.name}.run` runs at once, and here a flow is being built; call `{self.name}(...)` to make a sub-flow."
            )
        return self._run(self._named(args, kwargs))

    def _named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self.graph.parameters)
        if len(args) > len(names):
            raise errors.Invalid(
                f"flow '{self.name}' has {len(names)} parameters, and {len(args)} values were given."
            )
        twice = [name for name in names[: len(args)] if name in kwargs]
        if twice:
            raise errors.Invalid(f"flow '{self.name}': parameter '{twice[0]}' was given twice.")
        return {**dict(zip(names, args, strict=False)), **kwargs}

    def _run(self, given: Mapping[str, Any]) -> "outcome.FlowState":
        from headrace.engine import flow_runner  # the engine costs what building a flow should not

        return flow_runner.run(self, given)

    # showing and registering

    def visualize(self, state: Any = None, path: str | Path | None = None) -> drawing.Drawing:
        """The graph as SVG, which a notebook shows by itself; coloured by a run's `state`, written to `path` if given."""
        drawn = drawing.draw(self.graph, state)
        if path is not None:
            drawn.save(path)
        return drawn

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.visualize().svg}

    def describe(self, *, project: str, content_sha256: str = "") -> "flows.Structure":
        """What registration would send."""
        from headrace.graph import structure
        from headrace.wire import executors, run_configs

        chosen = self.options
        return structure.describe(
            self.graph,
            project=project,
            content_sha256=content_sha256,
            executor=chosen.executor or executors.LocalExecutor(),
            run_config=chosen.run_config or run_configs.LocalRun(),
            storage_kind="local",
            labels=sorted(chosen.labels),
            schedules=chosen.schedule,
            description=chosen.description,
            retries=chosen.retries,
            retry_delay=chosen.retry_delay,
            timeout=chosen.timeout,
            on_lost=chosen.on_lost,
            lost_after=chosen.lost_after,
            version=chosen.version,
        )

    def register(
        self, project: str | None = None, *, labels: Iterable[str] = (), client: "Client | None" = None
    ) -> "flows.Registered":
        """Keeps the content in its storage and tells the server the structure: names and edges, no code.

        Prints where the flow is. Nothing is kept or sent of a flow that cannot be scheduled or described.
        """
        from headrace import settings
        from headrace.client import Client

        if building.current() is not None:
            raise errors.GraphError(f"flow '{self.name}': register it after its block, not inside one.")
        loaded = settings.load()
        chosen = project or loaded.project
        if not chosen:
            raise errors.Invalid(
                'Say where the flow belongs: `register(project="sales")`, or set HEADRACE_PROJECT.'
            )
        request = self._registration(chosen, frozenset(labels))
        from headrace.wire import operations

        answer = (client or Client()).call(operations.register_flow, request)
        print(f"{chosen}/{self.name}: {answer.message} {answer.url}")  # noqa: T201 - who registers wants to go there
        return answer

    def _registration(self, project: str, labels: frozenset[str]) -> "flows.RegisterFlow":
        from importlib import metadata

        import msgspec

        from headrace.core import schedules
        from headrace.engine import content
        from headrace.storage import local, module
        from headrace.wire import flows, storage

        definitions = self.graph.parameters
        for schedule in self.options.schedule:
            required = [name for name, each in definitions.items() if each.required]
            schedules.require_parameters(schedule, required=required, known=definitions)
        keeper = self.options.storage or local.Local()
        packed = keeper.content() if isinstance(keeper, module.Module) else content.pack(self)
        sha256 = content.sha256(packed)
        described = self.describe(project=project, content_sha256=sha256)
        reference = keeper.save(packed, sha256, project=project, flow=self.name)
        hosts = {reference.host} if isinstance(reference, storage.LocalStorage) else set[str]()
        described = msgspec.structs.replace(
            described,
            labels=sorted(self.options.labels | labels | hosts),
            storage_kind=storage.kind(reference),
        )
        return flows.RegisterFlow(
            structure=described,
            storage=reference,
            headrace_version=metadata.version("headrace"),
            python_version=platform.python_version(),
        )

    def __getstate__(self) -> dict[str, Any]:
        """The graph, and not the function that built it: a run does what was registered."""
        kept = {"options": self.options, "_graph": self.graph}
        return kept | {
            name: getattr(self, name)
            for name in ("__name__", "__module__", "__qualname__")
            if name in self.__dict__
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.update(function=None, _open=[], _lock=threading.RLock(), _is_building=False)

    def canonical_form(self, forms: Any) -> Any:
        """What of a flow decides the version of one that calls it."""
        from headrace.graph import structure

        return ["flow", structure.sub_flow_form(self.graph, forms)]


class SubFlow:
    """What a sub-flow's node does: it runs the flow there, and its value is the node's."""

    def __init__(self, flow: Flow[..., Any]) -> None:
        self.flow = flow

    @property
    def __signature__(self) -> inspect.Signature:
        known = self.flow.graph.parameters.values()
        return inspect.Signature(
            [
                inspect.Parameter(each.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=each.default)
                for each in known
            ]
        )

    def __call__(self, **inputs: Any) -> Any:
        return self.flow(**inputs)

    def canonical_form(self, forms: Any) -> Any:
        return self.flow.canonical_form(forms)


class Decorator(Protocol):
    """What `flow(name="daily-sales")` answers."""

    def __call__(self, function: Callable[P, R], /) -> Flow[P, R]: ...


@overload
def flow(function: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(**given: Unpack[Keywords]) -> Decorator: ...
def flow(function: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """Makes a flow of a function: `@flow`, or `@flow(name="daily-sales", schedule=cron("0 6 * * *"))`."""
    if function is not None:
        return Flow(function=function, **given)
    _options(given, given.get("name", "…"))
    return lambda function: Flow(function=function, **given)  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]


def _refuse_body(function: Callable[..., Any]) -> None:
    if isinstance(function, Flow | task.Task):
        raise errors.GraphError(f"@flow needs a plain function; {function!r} is not one.")
    if not inspect.isfunction(function):
        raise errors.GraphError(
            f"@flow needs a function, not {function!r}. Is a name missing: `@flow(name=...)`?"
        )
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise errors.GraphError(
            f"flow '{function.__name__}': its body only finds the tasks, so it is a plain `def`; tasks may be `async def`."
        )


def _renamed(given: graphs.Graph, name: str) -> graphs.Graph:
    copy = graphs.Graph(name)
    copy.__dict__.update({**given.__dict__, "name": name})
    return copy


def _options(given: Mapping[str, Any], name: str, *, before: Options | None = None) -> Options:
    chosen: dict[str, Any] = {"name": name}
    for option, value in given.items():
        if option not in _NORMAL:
            raise errors.GraphError(
                f"flow '{name}' has no option '{option}'.{task_options.suggestion(option, _NORMAL)}"
            )
        try:
            chosen[option] = _NORMAL[option](option, value)
        except (TypeError, ValueError) as error:
            raise errors.GraphError(f"flow '{name}': {error}") from None
    chosen["name"] = task_options.name("name", chosen["name"])
    return Options(**chosen) if before is None else dataclasses.replace(before, **chosen)


def _as_is(option: str, value: Any) -> Any:
    return value


def _schedules(option: str, value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    given: tuple[Any, ...] = (
        tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    )
    for item in given:
        if not hasattr(item, "clocks"):
            raise TypeError(
                f"schedule is {item!r}; give `cron(...)`, `every(...)`, `rrule(...)`, `dates(...)`, or a list of them."
            )
    return given


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


def _path(option: str, value: Any) -> Path | None:
    return None if value is None else Path(value).expanduser()


def _word(option: str, value: Any) -> str | None:
    return None if value is None else task_options.text(option, value)


_NORMAL: dict[str, Callable[[str, Any], Any]] = {
    "name": task_options.name,
    "schedule": _schedules,
    "executor": _as_is,
    "run_config": _as_is,
    "storage": _as_is,
    "labels": _labels,
    "retries": task_options.count,
    "retry_delay": _delay,
    "timeout": task_options.timeout,
    "on_lost": _on_lost,
    "lost_after": task_options.timeout,
    "results": _path,
    "on_state": task_options.hooks,
    "log_prints": task_options.yes_or_no,
    "version": _word,
    "description": task_options.text,
}
