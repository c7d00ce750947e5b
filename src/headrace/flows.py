"""Flows: a graph with what is needed to run, register and draw it. Here graph, engine and client meet."""

import contextlib
import dataclasses
import functools
import inspect
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from headrace import errors
from headrace.graph import building, context, flow_options, parameters, task
from headrace.graph import graph as graphs

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.client import Client
    from headrace.engine import outcome
    from headrace.graph import drawing
    from headrace.storage import Storage
    from headrace.wire import flows

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A container of tasks that knows how they hang together.

    Made by `@flow` from a function, whose body runs once, at first use, to find the tasks; or filled in a block:
    `with Flow("daily-sales") as f: ...`.
    """

    options: flow_options.Options

    def __init__(
        self, name: str | None = None, /, function: Callable[P, R] | None = None, **given: Any
    ) -> None:
        """`given` are the options of `graph.flow_options.Keywords`."""
        if name is None and function is None and "name" not in given:
            raise errors.GraphError('A flow needs a name: `Flow("daily-sales")`.')
        if function is not None:
            _refuse_body(function)
            functools.update_wrapper(cast("Any", self), function)
        known = given.get("name") or name or getattr(function, "__name__", "flow")
        self.function: Callable[..., Any] | None = function
        self.options = flow_options.options(given, known)
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

    def with_options(self, **given: Unpack[flow_options.Keywords]) -> "Flow[P, R]":
        """The same graph with some options changed; this flow stays as it is."""
        changed: Flow[P, R] = object.__new__(type(self))
        changed.__dict__.update({**self.__dict__, "_lock": threading.RLock(), "_open": []})
        changed.options = flow_options.options(given, given.get("name", self.name), before=self.options)
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
        """Runs the graph, again after a failure as often as the flow's retries say, as the server would."""
        from headrace.engine import (
            approvals,
            flow_runner,
            results,
        )  # the engine costs what building a flow should not

        chosen = self.options
        facts = _facts(self.name, self.graph.validate(given), chosen.labels)
        for attempt in itertools.count(1):
            state = flow_runner.FlowRunner(
                self.graph,
                run=dataclasses.replace(facts, run_attempt=attempt),
                executor=chosen.executor,
                store=None if chosen.results is None else results.store(chosen.results),
                persist=bool(chosen.persist),
                log_prints=chosen.log_prints,
                timeout=None if chosen.timeout is None else chosen.timeout.total_seconds(),
                approve=approvals.on_terminal(),
                on_state=chosen.on_state,
                subject=self,
            ).run()
            if not state.is_failure or attempt > chosen.retries:
                return state
            time.sleep(chosen.retry_delay.total_seconds())
        raise AssertionError  # counting never ends

    # showing and registering

    def visualize(self, state: Any = None, path: "str | Path | None" = None) -> "drawing.Drawing":
        """The graph as SVG, which a notebook shows by itself; coloured by a run's `state`, written to `path` if given."""
        from headrace.graph import drawing

        drawn = drawing.draw(self.graph, state)
        if path is not None:
            drawn.save(path)
        return drawn

    def _repr_mimebundle_(self, **_asked: Any) -> dict[str, str]:
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
        from headrace.storage import local
        from headrace.wire import accounts, operations

        api = client or Client()
        # a server that is away or does not know the key is found out before anything is kept
        api.call(operations.read_me, accounts.Nothing())
        self._check_schedules(chosen, api)
        keeper = self.options.storage or local.Local()
        request = self._registration(chosen, frozenset(labels), keeper)
        try:
            answer = api.call(operations.register_flow, request)
        except errors.HeadraceError as error:
            if error.status < 500:  # refused; of anything else the outcome is not known
                keeper.withdraw()
            raise
        print(f"{chosen}/{self.name}: {answer.message} {answer.url}")  # noqa: T201 - who registers wants to go there
        return answer

    def _check_schedules(self, project: str, api: "Client") -> None:
        """Raises errors.Invalid for one whose runs would lack a parameter. What has no default may have one in the flow's settings."""
        from headrace.core import schedules

        definitions = self.graph.parameters
        required = {name for name, each in definitions.items() if each.required}
        clocks = [clock for schedule in self.options.schedule for clock in schedule.clocks]
        if not all(required <= clock.parameters.keys() for clock in clocks):
            with contextlib.suppress(errors.NotFound):
                required -= api.find_flow(f"{project}/{self.name}").default_parameters.keys()
        for schedule in self.options.schedule:
            schedules.require_parameters(schedule, required=sorted(required), known=definitions)

    def _registration(self, project: str, labels: frozenset[str], keeper: "Storage") -> "flows.RegisterFlow":
        import platform
        from importlib import metadata

        import msgspec

        from headrace import storage as storages
        from headrace.engine import content
        from headrace.wire import flows, storage

        if isinstance(keeper, storages.Source):
            packed = keeper.content(self.name, self._file())
        else:
            packed = content.pack(self)
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

    def _file(self) -> str | None:
        """The file that defines it, if it was made of a function."""
        return None if self.function is None else inspect.getsourcefile(self.function)

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


def _facts(name: str, given: Mapping[str, Any], labels: frozenset[str]) -> context.Run:
    """The facts of a run started here; inside a task it is part of that task's run, and holds its fence."""
    import uuid

    current = context.current()
    now = datetime.now(UTC)
    made = context.Run(
        uuid.uuid4().hex, name, given, run_name=name, scheduled_at=now, labels=tuple(sorted(labels))
    )
    if current is None:
        return made
    around = current.run if isinstance(current, context.Task) else current
    return dataclasses.replace(
        made, project=around.project, fence=around.fence, scheduled_at=around.scheduled_at
    )


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
def flow(**given: Unpack[flow_options.Keywords]) -> Decorator: ...
def flow(function: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """Makes a flow of a function: `@flow`, or `@flow(name="daily-sales", schedule=cron("0 6 * * *"))`."""
    if function is not None:
        return Flow(function=function, **given)
    flow_options.options(given, given.get("name", "…"))
    return functools.partial(_of_function, given)


def _of_function(given: Any, function: Callable[..., Any]) -> Flow[..., Any]:
    return Flow(function=function, **given)


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
