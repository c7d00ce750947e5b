"""Small flows that must come to the same on every executor."""

import asyncio
import logging
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace import errors, flows
from headrace.engine import flow_runner
from headrace.graph import caching, conditions, context, parameters, resources, task, triggers

# --- tasks -----------------------------------------------------------------------------------------------------------


@task.task
def one() -> int:
    return 1


@task.task
def give(value: Any) -> Any:
    return value


@task.task
def add(x: int, y: int = 1) -> int:
    return x + y


@task.task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task.task
def total(values: list[Any]) -> Any:
    return sum(values)


@task.task
def pair() -> tuple[int, str]:
    return 7, "seven"


class Odd(Exception):
    """One that cannot be made again from its message alone."""

    def __init__(self, number: int, word: str) -> None:
        super().__init__(f"{number} is {word}")
        self.number = number


@task.task
def even(value: int) -> int:
    if value % 2:
        raise Odd(value, "odd")
    return value


@task.task
def fail(upstream_value: Any = None) -> None:
    raise ValueError("it broke")


@task.task
def skip() -> None:
    raise errors.Skip("nothing to do")


def note(path: str, line: str = "x") -> int:
    """Adds a line to a file; answers how many there are. Attempts may be in different processes."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")
    return len(Path(path).read_text().splitlines())


@task.task
def third_time(path: str) -> str:
    tries = note(path)
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return f"{context.context.attempt} attempts"


@task.task
def noted(path: str, value: int) -> int:
    note(path)
    return value * 2


@task.task
def forever(path: str = "") -> None:
    if path:
        note(path)
    while True:
        time.sleep(0.01)


# --- values and order ------------------------------------------------------------------------------------------------


def test_values_go_from_task_to_task(bench: Any) -> None:
    state = bench.run(lambda: add(add(one(), 10), y=one()))
    assert (state.type, state.result) == ("Success", 12)
    assert [each.name for each in state.tasks.values()] == ["Success"] * len(state.tasks)


def test_futures_are_filled_in_inside_collections(bench: Any) -> None:
    state = bench.run(lambda: give({"list": [one(), 2], "tuple": (one(),), "set": {one()}, one(): "key"}))
    assert state.result == {"list": [1, 2], "tuple": (1,), "set": {1}, 1: "key"}


def test_a_task_with_several_values_is_unpacked(bench: Any) -> None:
    def body() -> Any:
        number, word = pair()
        return [word, add(number)]

    assert bench.run(body).result == ["seven", 8]


def test_an_edge_without_data_orders(bench: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "order")

    def body() -> None:
        first = give.with_options(name="first")(1)
        give.with_options(name="second")(2, upstream=[noted(path, 1, upstream=[first])])

    state = bench.run(body)
    moments = [state.tasks[slug].state.at for slug in ("first", "noted", "second")]
    assert moments == sorted(moments)


def test_parameters_reach_tasks_and_context(bench: Any) -> None:
    def body() -> Any:
        return given(parameters.Parameter("day", default="Monday"))

    assert bench.run(body, parameters={"day": "Friday"}).result == "Friday Friday"
    assert bench.run(body).result == "Monday Monday"


@task.task
def given(day: str) -> str:
    return f"{day} {context.context.parameters['day']}"


def test_the_context_tells_a_task_what_it_is(bench: Any) -> None:
    state = bench.run(lambda: about_me.map([1, 2]))
    assert state.result == ["about_me[0] of run-1, attempt 1", "about_me[1] of run-1, attempt 1"]


@task.task
def about_me(value: int) -> str:
    me = context.context
    return f"{me.task_slug}[{me.map_index}] of {me.run_id}, attempt {me.attempt}"


# --- mapping ---------------------------------------------------------------------------------------------------------


def test_a_mapped_task_runs_once_for_each_item(bench: Any) -> None:
    state = bench.run(lambda: add.map(numbers(4), task.unmapped(10)))
    assert state.result == [10, 11, 12, 13]
    assert len(state.tasks["add"]) == 4
    assert state.tasks["add"][3].type == "Success"


def test_mapped_tasks_map_on_and_reduce(bench: Any) -> None:
    state = bench.run(lambda: total(add.map(add.map(numbers(5)), add.map(numbers(5)))))
    assert state.result == sum((x + 1) + (x + 1) for x in range(5))


def test_a_list_of_lists_is_flattened(bench: Any) -> None:
    def body() -> Any:
        return add.map(task.flatten(numbers.map([1, 2, 3])))

    assert bench.run(body).result == [1, 1, 2, 1, 2, 3]


def test_mapping_over_nothing_succeeds_with_nothing(bench: Any) -> None:
    state = bench.run(lambda: total(add.map(add.map(numbers(0)))))
    assert (state.type, state.result, state.tasks["add"].result) == ("Success", 0, [])


def test_the_shortest_input_decides_and_a_warning_says_so(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert bench.run(lambda: add.map(numbers(3), numbers(2))).result == [0, 2]
    assert "x has 3, y has 2" in caplog.text


def test_what_is_no_list_cannot_be_mapped_over(bench: Any) -> None:
    state = bench.run(lambda: add.map(one()))
    assert state.type == "Failed"
    assert "'x' cannot be mapped over: it is a int" in state.tasks["add"].message
    assert "sort it" in bench.run(lambda: add.map(give({1, 2}))).tasks["add"].message


def test_a_failed_child_stops_neither_its_siblings_nor_their_successors(bench: Any) -> None:
    state = bench.run(lambda: add.map(even.map(numbers(4))))
    assert [each.name for each in state.tasks["even"]] == ["Success", "Failed", "Success", "Failed"]
    assert [each.name for each in state.tasks["add"]] == [
        "Success",
        "TriggerFailed",
        "Success",
        "TriggerFailed",
    ]
    assert (state.type, state.tasks["even"].message) == ("Failed", "2 of 4 mapped runs failed")


def test_a_reduce_asks_its_trigger_about_the_children(bench: Any) -> None:
    def body() -> None:
        children = even.map(numbers(3))
        total(children)
        give.with_options(trigger=triggers.any_failed, name="alarm")(children)
        give.with_options(trigger=triggers.all_failed, name="ruin")(children)

    state = bench.run(body)
    assert state.tasks["total"].name == "TriggerFailed"
    assert "2 succeeded, 1 failed" in state.tasks["total"].message
    assert state.tasks["ruin"].name == "TriggerFailed"
    values = state.tasks["alarm"].result
    assert (values[0], values[2], str(values[1])) == (0, 2, "1 is odd")


# --- branches and skipping -------------------------------------------------------------------------------------------


def test_only_the_branch_that_matches_runs(bench: Any) -> None:
    def body() -> Any:
        value = one()
        with conditions.case(value, 1):
            yes = add(value, 10)
        with conditions.case(value, 2):
            no = add(add(value, 20), 20)
        return conditions.merge(yes, no)

    state = bench.run(body)
    assert state.result == 11
    assert [state.tasks[slug].name for slug in ("add", "add-2", "add-3")] == ["Success", "Skipped", "Skipped"]


def test_switch_and_ifelse_answer_the_branch_that_ran(bench: Any) -> None:
    def body() -> Any:
        chosen = conditions.switch(one(), {1: lambda: give("one"), 2: lambda: give("two")})
        return [chosen, conditions.ifelse(one() == 2, lambda: give("yes"), lambda: give("no"))]

    assert bench.run(body).result == ["one", "no"]


def test_skipped_goes_down_to_those_who_do_not_mind(bench: Any) -> None:
    def body() -> None:
        skipped = skip()
        give(give(skipped))
        give.with_options(name="calm", skip_on_upstream_skip=False)(skipped)

    state = bench.run(body)
    assert [state.tasks[slug].name for slug in ("skip", "give", "give-2")] == ["Skipped"] * 3
    assert (state.tasks["calm"].name, state.tasks["calm"].result) == ("Success", None)
    assert state.type == "Success"
    assert state.tasks["skip"].message == "nothing to do"


def test_triggers_decide_over_failed_upstreams(bench: Any) -> None:
    def body() -> None:
        broken = fail()
        give.with_options(name="after")(broken)
        give.with_options(name="always", trigger=triggers.all_finished)(broken)
        give.with_options(name="cure", trigger=triggers.any_failed)(broken)

    state = bench.run(body)
    assert state.tasks["after"].name == "TriggerFailed"
    assert [state.tasks[slug].name for slug in ("always", "cure")] == ["Success"] * 2
    assert isinstance(state.tasks["cure"].result, ValueError)


def test_reference_tasks_decide_the_final_state(bench: Any) -> None:
    built = bench.build(lambda: give.with_options(trigger=triggers.all_finished)(fail()))
    assert bench.run(built).type == "Success"
    built.set_reference_tasks(["fail"])
    assert bench.run(built).message == "task 'fail' failed: ValueError: it broke"


# --- failing and trying again ----------------------------------------------------------------------------------------


def test_a_failure_keeps_its_exception(bench: Any) -> None:
    state = bench.run(lambda: add(fail()))
    assert (state.type, state.message) == ("Failed", "task 'fail' failed: ValueError: it broke")
    assert isinstance(state.result, ValueError)
    with pytest.raises(ValueError, match="it broke"):
        state.unwrap()


def test_an_exception_that_cannot_be_made_again_from_its_message_stays_itself(bench: Any) -> None:
    state = bench.run(lambda: even(3))
    assert state.tasks["even"].message == "Odd: 3 is odd"
    assert (type(state.result), str(state.result), state.result.number) == (Odd, "3 is odd", 3)


def test_sys_exit_fails_the_task_and_not_the_run(bench: Any) -> None:
    state = bench.run(lambda: leave())
    assert (state.tasks["leave"].type, state.tasks["leave"].message) == ("Failed", "SystemExit: 3")


@task.task
def leave() -> None:
    sys.exit(3)


def test_a_failed_task_is_tried_again(bench: Any, tmp_path: Path) -> None:
    patient = third_time.with_options(retries=2, retry_delay=0.01, retry_on=ConnectionError)
    assert bench.run(lambda: patient(str(tmp_path / "tries"))).result == "3 attempts"


def test_retries_end(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "tries"
    state = bench.run(lambda: third_time.with_options(retries=1)(str(path)))
    assert (state.type, state.tasks["third_time"].message) == ("Failed", "ConnectionError: try 2")


def test_only_the_named_exceptions_are_tried_again(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "tries"
    state = bench.run(lambda: third_time.with_options(retries=5, retry_on=KeyError)(str(path)))
    assert (state.type, path.read_text()) == ("Failed", "x\n")


@task.task(retries=3)
def signals(path: str, kind: str) -> str:
    if note(path) == 1:
        raise errors.Retry(0.01, "once more") if kind == "retry" else errors.Fail("no use")
    return "done"


def test_the_signals_retry_and_fail(bench: Any, tmp_path: Path) -> None:
    assert bench.run(lambda: signals(str(tmp_path / "a"), "retry")).result == "done"
    state = bench.run(lambda: signals(str(tmp_path / "b"), "fail"))
    assert (state.type, state.tasks["signals"].message) == ("Failed", "no use")
    assert (tmp_path / "b").read_text() == "x\n"


@task.task
def collatz(start: int) -> str:
    value = start if context.context.loop_count == 1 else context.context.loop_value
    if value != 1:
        raise errors.Loop(value // 2 if value % 2 == 0 else 3 * value + 1)
    return f"{context.context.loop_count} rounds"


def test_a_task_loops(bench: Any) -> None:
    assert bench.run(lambda: collatz.map([6, 1])).result == ["9 rounds", "1 rounds"]


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_task_ends_at_its_timeout(bench: Any) -> None:
    state = bench.run(lambda: forever.with_options(timeout=0.2)())
    assert (state.type, state.tasks["forever"].name) == ("Failed", "TimedOut")
    assert isinstance(state.result, errors.TaskTimedOut)


@task.task(timeout=0.5, retries=1)
def slow_at_first(path: str) -> str:
    if note(path) == 1:
        while True:
            time.sleep(0.01)
    return "in time"


def test_a_task_that_timed_out_is_tried_again_once_it_has_ended(bench: Any, tmp_path: Path) -> None:
    assert bench.run(lambda: slow_at_first(str(tmp_path / "tries"))).result == "in time"


def test_a_flow_ends_at_its_timeout(bench: Any) -> None:
    state = bench.run(lambda: [forever(), add(one())], timeout=1.0)
    assert (state.type, state.name) == ("Failed", "TimedOut")
    assert state.tasks["forever"].type == "Cancelled"


def test_a_running_task_is_cancelled(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "began"
    runner = bench.runner(lambda: give(forever(str(path))))
    ending: list[Any] = []
    watcher = threading.Thread(target=lambda: (_until(path), runner.cancel()))
    watcher.start()
    ending.append(runner.run())
    watcher.join()
    state = ending[0]
    assert (state.type, state.tasks["forever"].type) == ("Cancelled", "Cancelled")
    assert state.tasks["give"].name == "Pending"
    assert isinstance(state.result, errors.RunCancelled)


def _until(path: Path) -> None:
    deadline = time.monotonic() + 30
    pause = threading.Event()
    while not path.exists() and time.monotonic() < deadline:
        pause.wait(0.01)


def test_a_run_cancelled_before_it_starts_runs_nothing(bench: Any, tmp_path: Path) -> None:
    runner = bench.runner(lambda: noted(str(tmp_path / "noted"), 1))
    runner.cancel()
    assert runner.run().type == "Cancelled"
    assert not (tmp_path / "noted").exists()


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_cached_value_is_used_again_while_its_inputs_are_the_same(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    cached = noted.with_options(cache=timedelta(hours=1))
    first = bench.run(lambda: cached(str(path), 4))
    again = bench.run(lambda: cached(str(path), 4))
    other = bench.run(lambda: cached(str(path), 5))
    assert [each.result for each in (first, again, other)] == [8, 8, 10]
    assert [each.tasks["noted"].name for each in (first, again, other)] == ["Success", "Cached", "Success"]
    assert len(path.read_text().splitlines()) == 2


def test_a_cache_key_is_shared_among_tasks(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    policy = caching.CachePolicy(inputs=("value",))

    def body() -> Any:
        first = noted.with_options(cache=policy, cache_key="shared")(str(path), 4)
        return noted.with_options(cache=policy, cache_key="shared", name="other")(
            str(path) + "-2", 4, upstream=[first]
        )

    state = bench.run(body)
    assert (state.result, state.tasks["other"].name) == (8, "Cached")


def test_a_target_that_is_there_is_read(bench: Any, tmp_path: Path) -> None:
    aimed = noted.with_options(target=str(tmp_path / "{task_name}-{value}.json"), serializer="json")
    path = tmp_path / "runs"
    assert bench.run(lambda: aimed(str(path), 4)).tasks["noted"].name == "Success"
    assert (tmp_path / "noted-4.json").read_text() == "8"
    assert bench.run(lambda: aimed(str(path), 4)).tasks["noted"].name == "Cached"


def test_a_persisted_result_is_read_back_and_not_computed_again(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    built = bench.build(lambda: total(noted.map(task.unmapped(str(path)), numbers(3))))
    first = bench.run(built, persist=True)
    known = {
        ("noted", index): flow_runner.Known(child.state, child.stored)
        for index, child in enumerate(first.tasks["noted"])
    }
    assert all(each.result and each.result.size for each in known.values())
    del known["noted", 1]
    assert bench.run(built, known=known).result == first.result == 6
    assert len(path.read_text().splitlines()) == 4


# --- what is around tasks --------------------------------------------------------------------------------------------


class Room:
    def __init__(self, path: str) -> None:
        self.path = path

    def setup(self) -> str:
        note(self.path, "open")
        return self.path

    def cleanup(self, value: str) -> None:
        note(value, "close")


room: Any = resources.resource(Room)


def test_a_resource_is_cleaned_up_whatever_happens_inside(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "room"

    def body() -> None:
        with room(str(path)) as place:
            add(noted(place, 1))
            fail(place)

    state = bench.run(body)
    assert state.type == "Failed"
    assert path.read_text().splitlines() == ["open", "x", "close"]


@task.task
async def soon(value: int) -> int:
    await asyncio.sleep(0)
    return value + 1


@task.task
async def never() -> None:
    await asyncio.Event().wait()


def test_async_tasks_run_and_time_out(bench: Any) -> None:
    assert bench.run(lambda: soon.map(soon.map([1, 2]))).result == [3, 4]
    assert bench.run(lambda: never.with_options(timeout=0.2)()).tasks["never"].name == "TimedOut"


@task.task(log_prints=True)
def speak(word: str) -> None:
    print(word)
    logging.getLogger("mine").warning("%s is logged", word)
    print(word, "again", end="")


def test_prints_and_records_are_logged_in_order(
    bench: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        bench.run(lambda: speak.map(["hello"]))
    assert [(each.name, each.getMessage()) for each in caplog.records] == [
        ("headrace.task", "hello"),
        ("mine", "hello is logged"),
        ("headrace.task", "hello again"),
    ]
    assert capsys.readouterr().out == ""


def test_hooks_hear_of_every_state_and_cannot_break_it(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def hook(what: Any, before: Any, after: Any) -> None:
        heard.append(f"{what.name}: {before.name} → {after.name}")
        if after.name == "Success":
            raise OSError("no network")

    state = bench.run(lambda: add.with_options(on_state=hook)(1), on_state=(hook,))
    assert state.type == "Success"
    assert heard == [
        "small: Pending → Running",
        "add: Pending → Running",
        "add: Running → Success",
        "small: Running → Success",
    ]
    assert "OSError: no network" in caplog.text


@flows.flow(name="inner")
def inner(x: int) -> int:
    return add(add(x))


@task.task
def calls_a_flow(x: int) -> int:
    return inner(x)


def test_a_flow_runs_as_a_node_and_inside_a_task(bench: Any) -> None:
    assert bench.run(lambda: [inner(1), calls_a_flow(5)]).result == [3, 7]


# --- pausing ---------------------------------------------------------------------------------------------------------


def test_a_run_pauses_at_a_task_and_goes_on_once_approved(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    built = bench.build(lambda: add.with_options(trigger=triggers.manual_only)(noted(str(path), 2), one()))
    paused = bench.run(built)
    assert (paused.type, paused.tasks["add"].type) == ("Paused", "Paused")
    assert "'add'" in paused.message
    with pytest.raises(errors.RunFailed):
        paused.unwrap()
    known = {(slug, -1): flow_runner.Known(each.state, each.stored) for slug, each in paused.tasks.items()}
    assert bench.run(built, known=known).result == 5
    assert len(path.read_text().splitlines()) == 1


@task.task
def careful() -> str:
    if not context.context.resumed:
        raise errors.Pause("shall I?")
    return "went on"


def test_somebody_present_is_asked(bench: Any) -> None:
    asked: list[tuple[str, int, str]] = []

    def approve(*question: Any) -> bool:
        asked.append(question)
        return True

    assert bench.run(lambda: careful(), approve=approve).result == "went on"
    assert asked == [("careful", -1, "shall I?")]
    assert bench.run(lambda: careful(), approve=lambda *_: False).type == "Failed"
