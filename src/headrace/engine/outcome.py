"""What a run has come to: the state of the flow run, of each task run and of each mapped child, with their values."""

import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from headrace import errors, executors
from headrace.core import states
from headrace.graph import options
from headrace.wire import artifacts as wire_artifacts
from headrace.wire import runs

#: What every task run is before anything is said about it.
PENDING = states.State(states.StateType.SCHEDULED, "Pending", datetime.min)  # noqa: DTZ901 - it has not been entered


class _Ended:
    """What flow runs and task runs have in common for people: a state's parts, and the value."""

    __slots__ = ()
    state: states.State
    value: Any

    @property
    def type(self) -> states.StateType:
        return self.state.type

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def message(self) -> str:
        return self.state.message

    @property
    def is_success(self) -> bool:
        return self.state.is_success

    @property
    def is_failure(self) -> bool:
        return self.state.is_failure

    @property
    def is_finished(self) -> bool:
        return self.state.is_finished

    @property
    def is_skipped(self) -> bool:
        return self.state.is_skipped

    def _failed(self) -> bool:
        return self.state.is_failure or self.state.type is states.StateType.CANCELLED


class TaskState(_Ended):
    """The state of a task run. That of a mapped task holds its children: `state[3]`, `len(state)`, iteration."""

    __slots__ = ("children", "state", "stored", "value")

    def __init__(self) -> None:
        self.state = PENDING
        #: The value; of a failed task run the exception.
        self.value: Any = None
        #: Where the value is kept, if it is.
        self.stored: runs.ResultRef | None = None
        self.children: list[TaskState] | None = None

    @property
    def result(self) -> Any:
        """The task's value: of a mapped task the list of its children's, of a failed one the exception.

        Raises errors.ResultError where it was too large to be brought here, and what held it is gone.
        """
        if self.children is None:
            return executors.here(self.value)
        return [executors.here(child.value) for child in self.children]

    @property
    def exception(self) -> BaseException | None:
        """What failed; of a mapped task the first child's failure."""
        if self.children is not None and self._failed():
            return next((found for child in self.children if (found := child.exception) is not None), None)
        return self.value if self._failed() and isinstance(self.value, BaseException) else None

    def __getitem__(self, index: int) -> "TaskState":
        return self._children()[index]

    def __len__(self) -> int:
        return len(self._children())

    def __iter__(self) -> Iterator["TaskState"]:
        return iter(self._children())

    def __bool__(self) -> bool:
        return True

    def _children(self) -> list["TaskState"]:
        if self.children is None:
            raise TypeError("this task run has no mapped children")
        return self.children

    def __repr__(self) -> str:
        mapped = "" if self.children is None else f" of {len(self.children)}"
        return f"<{self.state.name}{mapped}{': ' if self.state.message else ''}{self.state.message}>"


class Tasks(Mapping[str, TaskState]):
    """The task runs of a run by slug."""

    __slots__ = ("_by_slug",)

    def __init__(self, by_slug: dict[str, TaskState]) -> None:
        self._by_slug = by_slug

    def __getitem__(self, slug: str) -> TaskState:
        try:
            return self._by_slug[slug]
        except KeyError:
            raise errors.NotFound(
                f"the run has no task '{slug}'{options.suggestion(slug, self._by_slug)}."
            ) from None

    def __contains__(self, slug: object) -> bool:
        return slug in self._by_slug

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_slug)

    def __len__(self) -> int:
        return len(self._by_slug)

    def __repr__(self) -> str:
        return f"<{len(self)} tasks: {', '.join(f'{slug} {task.state.name}' for slug, task in self.items())}>"


class FlowState(_Ended):
    """The state of a flow run, its value, and its tasks' states.

    `artifacts` are what its tasks showed, where there is no server to keep them.
    """

    __slots__ = ("artifacts", "exception", "flow", "state", "tasks", "value")

    def __init__(
        self,
        flow: str,
        state: states.State,
        tasks: dict[str, TaskState],
        *,
        value: Any = None,
        exception: BaseException | None = None,
        artifacts: Sequence[wire_artifacts.ArtifactRecord] = (),
    ) -> None:
        self.flow = flow
        self.artifacts = list(artifacts)
        self.state = state
        self.tasks = Tasks(tasks)
        self.value = value
        #: What made the run fail: the exception of the first task that failed.
        self.exception = exception

    @property
    def result(self) -> Any:
        """The flow's value; of a run that failed or was cancelled the exception."""
        return self.exception if self._failed() else self.value

    def unwrap(self) -> Any:
        """The flow's value. Raises what failed; of a run that is paused errors.RunFailed."""
        if self.state.is_success:
            return self.value
        if self.exception is not None:
            raise self.exception
        raise errors.RunFailed(f"the run of '{self.flow}' is {self.state.name}: {self.state.message}")

    def __repr__(self) -> str:
        return f"<{self.flow}: {self.state.name}{': ' if self.state.message else ''}{self.state.message}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(slug)}</td><td>{html.escape(task.state.name)}</td>"
            f"<td>{'' if task.children is None else len(task.children)}</td>"
            f"<td>{html.escape(task.state.message)}</td></tr>"
            for slug, task in self.tasks.items()
        )
        return (
            f"<p><b>{html.escape(self.flow)}</b>: {html.escape(self.state.name)} {html.escape(self.state.message)}</p>"
            f"<table><tr><th>Task</th><th>State</th><th>Mapped</th><th>Message</th></tr>{rows}</table>"
        )
