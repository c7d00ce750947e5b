"""R10 in the engine, without a server: what an earlier run left is taken over, and what is made of new values is made anew."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import engine, errors
from headrace.core import states
from headrace.engine import flow_runner, outcome, results
from headrace.graph import conditions, context, graph, resources, task, triggers
from headrace.wire import runs

Place = tuple[str, int]


class Told(engine.Silent):
    """A reporter that remembers what a server would."""

    def __init__(self) -> None:
        self.last: dict[Place, tuple[states.State, runs.ResultRef | None]] = {}

    def task(
        self, slug: str, map_index: int, state: states.State, *, attempt: int = 1, result: Any = None
    ) -> None:
        self.last[slug, map_index] = (state, result)


@dataclasses.dataclass
class History:
    """Runs of one graph, one after another; each leaves to the next what it recorded."""

    folder: Path
    runs: int = 0

    def run(
        self, body: Callable[[], Any], known: dict[Place, flow_runner.Known] | None = None, **given: Any
    ) -> tuple[outcome.FlowState, dict[Place, flow_runner.Known]]:
        built = graph.Graph("flow")
        with built.building():
            built.set_result(body())
        self.runs += 1
        told = Told()
        facts = context.Run(f"run-{self.runs}", "flow", {}, run_name=f"name-{self.runs}", fence=1)
        state = flow_runner.FlowRunner(
            built,
            run=facts,
            store=results.ResultStore(self.folder),
            reporter=told,
            persist=True,
            known=known,
            **given,
        ).run()
        left = {
            place: flow_runner.Known(said, result, facts.run_name)
            for place, (said, result) in told.last.items()
            if said.is_success
        }
        return state, left


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


@pytest.fixture
def ran() -> list[Any]:
    """What tasks did, in order."""
    return []


def without(known: dict[Place, flow_runner.Known], *places: Place) -> dict[Place, flow_runner.Known]:
    return {place: each for place, each in known.items() if place not in places}


def unkept(known: dict[Place, flow_runner.Known], *slugs: str) -> dict[Place, flow_runner.Known]:
    """As the server sends it where a value was not kept and nobody needs it."""
    return {place: each._replace(result=None) if place[0] in slugs else each for place, each in known.items()}


def test_what_the_earlier_run_finished_is_taken_over_and_says_from_where(
    history: History, ran: list[Any]
) -> None:
    @task.task
    def step(x: int, name: str) -> int:
        ran.append(name)
        if name == "c" and len(ran) == 3:
            raise ValueError("the first time")
        return x + 1

    def body() -> Any:
        a = step.with_options(name="a")(0, "a")
        b = step.with_options(name="b")(a, "b")
        return step.with_options(name="c")(b, "c")

    failed, left = history.run(body)
    assert (failed.type, ran) == ("Failed", ["a", "b", "c"])
    state, second = history.run(body, left)
    assert (state.result, ran[3:]) == (3, ["c"])
    assert [state.tasks[slug].name for slug in "abc"] == ["Cached", "Cached", "Success"]
    assert state.tasks["a"].message == "from run name-1"
    # and again: what the second run took over it hands on, with the name of the run that made it
    third, _ = history.run(body, without(second, ("c", -1)))
    assert (third.result, ran[4:]) == (3, ["c"])
    assert third.tasks["a"].message == "from run name-1"


def test_nothing_is_taken_over_below_a_task_that_runs(history: History, ran: list[Any]) -> None:
    @task.task
    def tick(above: Any = None) -> int:
        ran.append(above)
        return len(ran)

    def body() -> Any:
        first = tick.with_options(name="first")()
        aside = tick.with_options(name="aside")()
        second = tick.with_options(name="second")(first)
        return [tick.with_options(name="third")([second, aside]), aside]

    _, left = history.run(body)
    before = len(ran)
    state, _ = history.run(body, without(left, ("second", -1)))
    assert len(ran) - before == 2
    assert [state.tasks[slug].name for slug in ("first", "aside", "second", "third")] == [
        "Cached",
        "Cached",
        "Success",
        "Success",
    ]


def test_of_mapped_children_one_runs_with_what_is_made_of_it(history: History, ran: list[Any]) -> None:
    @task.task
    def double(x: int) -> int:
        ran.append(("double", x))
        return 2 * x

    @task.task
    def shift(x: int) -> int:
        ran.append(("shift", x))
        return x + 1

    @task.task
    def total(xs: list[int]) -> int:
        ran.append("total")
        return sum(xs)

    _, left = history.run(lambda: total(shift.map(double.map([1, 2, 3]))))
    ran.clear()
    state, _ = history.run(lambda: total(shift.map(double.map([1, 2, 3]))), without(left, ("double", 1)))
    assert state.result == 15
    assert ran == [("double", 2), ("shift", 4), "total"]


def test_a_list_that_is_made_anew_makes_all_children_anew_whatever_its_length(
    history: History, ran: list[Any]
) -> None:
    @task.task
    def rows() -> list[int]:
        return list(range(len(ran) + 2))

    @task.task
    def each(x: int) -> int:
        ran.append(x)
        return x

    def body() -> Any:
        return each.map(rows())

    _, left = history.run(body)
    assert ran == [0, 1]
    state, _ = history.run(body, without(left, ("rows", -1)))
    assert (state.result, ran[2:]) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_a_result_that_cannot_be_read_runs_again_with_all_below_it_and_says_so(
    history: History, ran: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    @task.task
    def step(x: int, name: str) -> int:
        ran.append(name)
        return x

    def body() -> Any:
        return step.with_options(name="b")(step.with_options(name="a")(1, "a"), "b")

    _, left = history.run(body)
    kept = left["a", -1]
    assert kept.result is not None
    moved = runs.ResultRef(location="/nowhere", size=3)
    ran.clear()
    state, _ = history.run(body, {**left, ("a", -1): kept._replace(result=moved)})
    assert (state.result, ran) == (1, ["a", "b"])
    assert "task 'a' is run again: the result at /nowhere cannot be read" in caplog.text
    failed, _ = history.run(body, {**left, ("a", -1): kept._replace(result=moved)}, unreadable_fails=True)
    assert failed.tasks["a"].type == "Failed"


def test_a_task_whose_value_nobody_needs_is_passed_over(history: History, ran: list[Any]) -> None:
    @task.task
    def step(x: Any, name: str) -> Any:
        ran.append(name)
        return x

    def body() -> Any:
        big = step.with_options(name="big")(1, "big")
        small = step.with_options(name="small")(big, "small")
        return step.with_options(name="last")(small, "last")

    _, left = history.run(body)
    ran.clear()
    known = without(unkept(left, "big"), ("last", -1))
    state, _ = history.run(body, known)
    assert (state.result, ran) == (1, ["last"])
    assert state.tasks["big"].name == "Cached"

    # the file is gone: then its value is needed after all
    small = known["small", -1]
    assert small.result is not None
    ran.clear()
    gone = {**known, ("small", -1): small._replace(result=runs.ResultRef(location="/nowhere", size=1))}
    state, _ = history.run(body, gone)
    assert (state.result, ran) == (1, ["big", "small", "last"])

    # the file is there, and is not the value: nothing is computed from a value that is not there
    ran.clear()
    other = self_made(history.folder / "other")
    state, _ = history.run(body, {**known, ("small", -1): small._replace(result=other)})
    assert (state.type, ran) == ("Failed", [])
    assert "re-run from 'big'" in state.message


def self_made(path: Path) -> runs.ResultRef:
    path.write_bytes(b"no pickle")
    return runs.ResultRef(location=str(path), size=9)


def test_a_branch_that_was_skipped_stays_so_and_a_merge_goes_on(history: History, ran: list[Any]) -> None:
    @task.task
    def step(x: Any, name: str) -> Any:
        ran.append(name)
        return x

    def body() -> Any:
        start = step.with_options(name="start")(3, "start")
        with conditions.case(start, 3):
            yes = step.with_options(name="yes")("yes", "yes")
        with conditions.case(start, 4):
            no = step.with_options(name="no")("no", "no")
        return step.with_options(name="end")(conditions.merge(yes, no), "end")

    _, left = history.run(body)
    ran.clear()
    state, _ = history.run(body, without(left, ("end", -1)))
    assert (state.result, ran) == ("yes", ["end"])
    assert state.tasks["no"].name == "Skipped"


def test_a_resource_is_set_up_again_and_the_block_is_taken_over(history: History, ran: list[Any]) -> None:
    @resources.resource
    class Place:
        def setup(self) -> str:
            ran.append("set up")
            return "here"

        def cleanup(self, value: str) -> None:
            ran.append("cleaned")

    @task.task
    def work(place: str, name: str) -> str:
        ran.append(name)
        return f"{name} {place}"

    def body() -> Any:
        with Place() as place:
            first = work.with_options(name="first")(place, "first")
            second = work.with_options(name="second")(place, "second", upstream=[first])
        return [first, second]

    _, left = history.run(body)
    assert ran == ["set up", "first", "second", "cleaned"]
    ran.clear()
    known = without(left, ("Place-setup", -1), ("second", -1), ("Place-cleanup", -1))
    state, _ = history.run(body, known)
    assert state.result == ["first here", "second here"]
    assert ran == ["set up", "second", "cleaned"]


def test_a_task_that_was_approved_is_not_asked_about_again(history: History) -> None:
    @task.task(trigger=triggers.manual_only)
    def deploy() -> str:
        return "deployed"

    @task.task
    def check(x: str) -> str:
        return x

    asked: list[str] = []

    def approve(slug: str, index: int, why: str) -> bool:
        asked.append(slug)
        return True

    _, left = history.run(lambda: check(deploy()), approve=approve)
    state, _ = history.run(lambda: check(deploy()), without(left, ("check", -1)), approve=approve)
    assert (state.result, asked) == ("deployed", ["deploy"])


def test_a_rescued_rerun_makes_anew_what_hangs_on_its_own_results(history: History, ran: list[Any]) -> None:
    @task.task
    def step(x: Any, name: str) -> Any:
        ran.append(name)
        return x

    def body() -> Any:
        return step.with_options(name="b")(step.with_options(name="a")(1, "a"), "b")

    _, left = history.run(body)
    ran.clear()
    mine = left["a", -1]._replace(origin="")
    state, _ = history.run(body, {**left, ("a", -1): mine})
    assert (state.result, ran) == (1, ["b"])


def test_a_loop_a_retry_and_a_skip_are_taken_over_as_they_ended(history: History, ran: list[Any]) -> None:
    @task.task(retries=1)
    def flaky() -> str:
        ran.append("flaky")
        if ran.count("flaky") == 1:
            raise ValueError("once")
        return "value"

    @task.task
    def skipped() -> None:
        ran.append("skipped")
        raise errors.Skip("nothing to do")

    @task.task
    def last(x: str) -> str:
        ran.append("last")
        return x

    def body() -> Any:
        skipped()
        return last(flaky())

    _, left = history.run(body)
    ran.clear()
    state, _ = history.run(body, without(left, ("last", -1)))
    assert (state.result, ran) == ("value", ["last"])
    assert (state.tasks["skipped"].name, state.tasks["skipped"].message) == ("Skipped", "nothing to do")
