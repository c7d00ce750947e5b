"""Flows: both forms, running here, and sub-flows."""

import logging
import threading

import cloudpickle
import pytest

from headrace import (
    Flow,
    Parameter,
    ThreadExecutor,
    context,
    errors,
    flow,
    task,
    unmapped,
)
from headrace.core import states
from headrace.engine import content


@task
def extract(day):
    return [f"{day}-{number}" for number in range(3)]


@task
def clean(row, currency):
    return f"{row}-{currency}"


@task
def load(rows):
    return len(rows)


@task
def fail(word="broken"):
    raise ValueError(word)


@flow(name="daily-sales")
def daily_sales(day: str = "yesterday", currency: str = "EUR"):
    return load(clean.map(extract(day), unmapped(currency)))


def test_a_call_runs_the_flow_and_answers_its_value():
    assert daily_sales() == 3
    assert daily_sales("monday", currency="USD") == 3


def test_run_answers_the_state_with_its_tasks():
    state = daily_sales.run(day="monday")
    assert state.type is states.StateType.SUCCESS
    assert state.result == 3
    assert state.tasks["clean"][2].type is states.StateType.SUCCESS
    assert state.tasks["clean"].result == ["monday-0-EUR", "monday-1-EUR", "monday-2-EUR"]


def test_a_call_raises_what_failed_and_run_does_not():
    body = flow(name="failing")(lambda: load(fail()))
    with pytest.raises(ValueError, match="broken"):
        body()
    state = body.run()
    assert state.is_failure
    assert "fail" in state.message


def test_the_body_runs_once_at_first_use_and_not_at_decoration():
    runs = []

    @flow
    def body():
        runs.append(1)
        return load([1])

    assert runs == []
    assert body.graph is body.graph
    assert (body(), body(), len(body.visualize().svg) > 0) == (1, 1, True)
    assert runs == [1]


def test_a_body_is_run_once_however_many_threads_ask():
    runs = []
    at_once = threading.Barrier(4)

    @flow
    def body():
        runs.append(1)
        return load([1])

    def ask():
        at_once.wait(10)
        body.graph  # noqa: B018

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert runs == [1]


def test_a_body_that_raised_is_tried_again():
    answers = iter([ValueError("not yet"), None])

    @flow
    def body():
        answer = next(answers)
        if answer is not None:
            raise answer

    with pytest.raises(ValueError, match="not yet"):
        body()
    assert body() is None


def test_the_classical_form_runs_the_same():
    with Flow("daily-sales") as f:
        day = Parameter("day", type=str, default="yesterday")
        loaded = load(clean.map(extract(day), unmapped("EUR")))
        f.set_result(loaded)
    assert f() == 3
    assert f.run(day="monday").tasks["extract"].result[0] == "monday-0"


def test_a_classical_flow_goes_on_in_a_second_block():
    with Flow("two") as f:
        rows = extract("monday")
    with f:
        f.set_result(load(rows))
        f.set_reference_tasks([rows])
    assert f() == 3
    assert f.graph.reference_tasks == ("extract",)


def test_wrong_parameters_are_refused_before_anything_runs():
    with pytest.raises(errors.Invalid, match="did you mean 'currency'"):
        daily_sales(curency="EUR")
    with pytest.raises(errors.Invalid, match="has 2 parameters, and 3 values were given"):
        daily_sales(1, 2, 3)
    with pytest.raises(errors.Invalid, match="'day' was given twice"):
        daily_sales("monday", day="tuesday")

    @flow
    def needy(day: int):
        return load([day])

    with pytest.raises(errors.Invalid, match="'day': it is required"):
        needy()
    with pytest.raises(errors.Invalid, match="parameter 'day': Expected `int`, got `str`"):
        needy("monday")


def test_a_flow_in_a_flow_is_a_node_and_gives_its_value():
    @flow
    def weekly(days: list[str]):
        one = daily_sales(day="monday")
        return one + daily_sales("tuesday", upstream=[one])

    assert weekly(["x"]) == 6
    node = weekly.graph.nodes["daily-sales-2"]
    assert node.kind == "flow"
    assert {each.upstream for each in node.upstream} == {"daily-sales"}


def test_a_sub_flow_that_fails_fails_its_node():
    @flow
    def inner():
        fail("deep inside")

    @flow
    def outer():
        return inner()

    with pytest.raises(ValueError, match="deep inside"):
        outer()
    assert outer.run().tasks["inner"].is_failure


def test_a_sub_flow_is_called_with_its_parameters():
    with pytest.raises(errors.GraphError, match=r"'daily-sales' has no input 'dya' \(did you mean 'day'"):
        flow(name="outer")(lambda: daily_sales(dya=1)).graph  # noqa: B018


def test_a_flow_called_in_a_task_runs_there_as_part_of_that_run():
    @task
    def inner_facts():
        return context.flow_name, context.fence

    @flow
    def inner():
        return inner_facts()

    @task
    def ask():
        return inner(), context.flow_name

    @flow
    def outer():
        return ask()

    assert outer() == (("inner", 0), "outer")


def test_a_flow_that_calls_itself_in_its_body_is_refused():
    @flow
    def endless():
        return endless()

    with pytest.raises(errors.GraphError, match="'endless' calls itself"):
        endless()


def test_running_and_registering_inside_a_body_are_refused():
    with pytest.raises(errors.GraphError, match=r"`daily-sales\.run` runs at once"):
        flow(name="outer")(lambda: daily_sales.run()).graph  # noqa: B018
    with Flow("open") as f, pytest.raises(errors.GraphError, match="register it after its block"):
        f.register(project="sales")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: flow(scheduel=None), "flow '…' has no option 'scheduel' (did you mean 'schedule'?)"),
        (lambda: flow("daily"), "Is a name missing"),
        (lambda: flow(load), "@flow needs a plain function"),
        (lambda: Flow(), 'A flow needs a name: `Flow("daily-sales")`'),
        (lambda: Flow("x", retries=-1), "flow 'x': retries is -1"),
        (lambda: Flow("x", on_lost="retry"), "on_lost is 'retry'; give 'crash'"),
        (lambda: Flow("x", schedule="0 6 * * *"), "schedule is '0 6 * * *'; give `cron(...)`"),
        (lambda: Flow("x", labels="gpu"), "labels is the string 'gpu'; give a list"),
        (lambda: Flow("x", labels=["a b"]), "The label 'a b'"),
        (lambda: Flow("x", timeout=0), "timeout is 0"),
        (lambda: Flow("x", version=1), "version is 1; give a string"),
        (lambda: Flow(" "), "name is empty"),
        (lambda: Flow("x", executor=ThreadExecutor), "give one such as `ThreadExecutor(workers=4)`"),
        (lambda: Flow("x", run_config={"env": {}}), "run_config is {'env': {}}; give one such as"),
        (lambda: Flow("x", storage="s3://bucket"), "storage is 's3://bucket'; give one such as `Local()`"),
        (lambda: daily_sales.__enter__(), "is made of a function"),
    ],
)
def test_a_wrong_flow_is_refused_with_what_to_give(make, says):
    with pytest.raises(errors.GraphError) as refused:
        make()
    assert says in str(refused.value)


def test_a_body_is_a_plain_function():
    async def later(): ...

    def many():
        yield 1

    for body in (later, many):
        with pytest.raises(errors.GraphError, match="plain `def`"):
            flow(body)


def test_options_reach_the_run(tmp_path, caplog):
    seen = []

    @task(persist=True)
    def talk():
        print("hello from a task")
        return 1

    @flow(
        log_prints=True,
        results=tmp_path / "results",
        on_state=lambda subject, before, after: seen.append((subject.name, after.name)),
        executor=ThreadExecutor(workers=2),
    )
    def body():
        return talk()

    with caplog.at_level(logging.INFO):
        state = body.run()
    assert state.result == 1
    assert "hello from a task" in caplog.text
    assert seen == [("body", "Running"), ("body", "Success")]
    assert str(tmp_path) in state.tasks["talk"].stored.location


def test_a_failed_run_is_tried_again_as_often_as_the_flow_says():
    attempts = []

    @task
    def third_time():
        attempts.append(context.run_attempt)
        if len(attempts) < 3:
            raise ValueError("again")
        return "done"

    @flow(retries=2)
    def body():
        return third_time()

    assert body() == "done"
    assert attempts == [1, 2, 3]
    attempts.clear()
    assert body.with_options(retries=1).run().is_failure


def test_a_timeout_ends_the_run():
    ended = threading.Event()

    @task
    def wait():
        ended.wait(30)

    @flow(timeout=0.2, executor=ThreadExecutor(workers=1))
    def body():
        wait()

    state = body.run()
    ended.set()
    assert state.name == "TimedOut"


def test_with_options_leaves_the_flow_as_it_is():
    other = daily_sales.with_options(name="other", retries=1)
    assert (other.name, other.graph.name, other.options.retries) == ("other", "other", 1)
    assert (daily_sales.name, daily_sales.graph.name, daily_sales.options.retries) == (
        "daily-sales",
        "daily-sales",
        0,
    )
    with Flow("one") as f:
        load([1])
    assert f.with_options(name="two").graph.name == "two"
    assert f.graph.name == "one"


def test_what_is_pickled_is_the_graph_and_not_the_body():
    runs = []

    @flow
    def body(day: int = 2):
        runs.append(1)
        return load([day, day])

    packed = content.pack(body)
    assert runs == [1]
    copy = content.unpack(packed)
    assert copy.run(day=3).result == 2
    assert copy.name == "body"
    assert copy.describe(project="p") == body.describe(project="p")
    assert cloudpickle.loads(cloudpickle.dumps(copy))() == 2
