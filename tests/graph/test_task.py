"""Tasks: their options, and calling them outside a flow."""

import asyncio
import pickle
from datetime import timedelta

import pytest

from headrace import CachePolicy, any_failed, errors, flatten, some_failed, task, unmapped


@task
def double(number: int) -> int:
    return 2 * number


@task(retries=3, retry_delay=timedelta(seconds=2), tags={"db"})
def fetch(day: str, *, table: str = "rows") -> str:
    return f"{day}/{table}"


def test_outside_a_flow_a_task_runs_its_function():
    assert double(4) == 8
    assert fetch("monday", table="sales") == "monday/sales"


def test_an_asynchronous_task_runs_to_its_end_or_is_awaited():
    @task
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async def inside() -> int:
        return await later(2)

    assert later.is_async
    assert later(1) == 2
    assert asyncio.run(inside()) == 3


def test_the_options_have_one_normal_form():
    @task(
        name="Clean",
        retries=2,
        retry_delay=[1, timedelta(seconds=5)],
        retry_on=ConnectionError,
        timeout=60,
        tags=["b", "a"],
        trigger=any_failed,
        cache=timedelta(hours=1),
        on_state=print,
    )
    def clean(row):
        return row

    chosen = clean.options
    assert (chosen.name, chosen.retries, chosen.retry_delay) == ("Clean", 2, (1.0, 5.0))
    assert chosen.retry_on == (ConnectionError,)
    assert chosen.timeout == timedelta(seconds=60)
    assert chosen.tags == {"a", "b"}
    assert chosen.trigger is any_failed
    assert chosen.cache == CachePolicy(timedelta(hours=1))
    assert chosen.on_state == (print,)


def test_a_description_is_only_what_the_author_gave_as_one():
    @task
    def documented():
        """A docstring is code."""

    assert documented.options.description == ""
    assert documented.with_options(description="Reads rows.").options.description == "Reads rows."


@pytest.mark.parametrize(
    ("given", "delays"),
    [
        ({"retry_delay": 2}, [2, 2, 2]),
        ({"retry_delay": 1, "backoff": 3}, [1, 3, 9]),
        ({"retry_delay": [1, 4]}, [1, 4, 4]),
        ({"retry_delay": lambda retry: timedelta(seconds=10 * retry)}, [10, 20, 30]),
        ({}, [0, 0, 0]),
    ],
)
def test_the_delay_before_each_retry(given, delays):
    chosen = double.with_options(retries=3, **given).options
    assert [chosen.delay_before(retry).total_seconds() for retry in (1, 2, 3)] == delays


def test_jitter_adds_up_to_its_share():
    chosen = double.with_options(retries=1, retry_delay=10, jitter=0.5).options
    assert chosen.delay_before(1, 0.0) == timedelta(seconds=10)
    assert chosen.delay_before(1, 0.5) == timedelta(seconds=12.5)


def test_an_unknown_option_is_refused_with_a_suggestion():
    with pytest.raises(
        errors.GraphError, match=r"task 'double' has no option 'retris' \(did you mean 'retries'\?\)"
    ):
        double.with_options(retris=2)
    with pytest.raises(errors.GraphError, match="did you mean 'timeout'"):

        @task(time_out=3)
        def late(): ...


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"retries": -1}, "retries is -1; give a whole number from 0"),
        ({"retries": True}, "retries is True"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": "60"}, "timeout is '60'; give a timedelta or seconds"),
        ({"retry_delay": -1}, "retry_delay is -1"),
        ({"retry_delay": []}, "retry_delay is an empty list"),
        ({"retry_on": [int]}, "retry_on holds <class 'int'>; give exception classes"),
        ({"tags": "db"}, "tags is the string 'db'; give a set"),
        ({"trigger": "all_failed"}, "trigger is 'all_failed'"),
        ({"cache": 60}, "cache is 60; give a timedelta or a CachePolicy"),
        ({"cache": timedelta(0)}, "give a positive timedelta"),
        ({"target": 3}, "target is 3"),
        ({"serializer": 3}, "serializer is 3"),
        ({"log_prints": 1}, "log_prints is 1; give True or False"),
        ({"name": " "}, "name is empty"),
        ({"on_state": [1]}, "on_state holds 1"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_give(given, says):
    with pytest.raises(errors.GraphError) as refused:
        double.with_options(**given)
    assert says in str(refused.value)


def test_a_cache_key_alone_caches_for_ever():
    assert double.with_options(cache_key="prices").options.cache == CachePolicy()


def test_cache_policies_describe_themselves():
    assert CachePolicy(timedelta(hours=1)).describe() == "3600 s by inputs"
    assert CachePolicy(inputs=["day"], parameters=True).describe() == "for ever by inputs day and parameters"
    assert CachePolicy(inputs=False).describe() == "for ever by nothing"


def test_with_options_leaves_the_task_as_it_is():
    patient = fetch.with_options(retries=0, name="patient")
    assert (patient.options.retries, patient.name, patient.options.tags) == (0, "patient", {"db"})
    assert (fetch.options.retries, fetch.name) == (3, "fetch")
    assert patient("monday") == "monday/rows"


def test_a_trigger_given_as_its_factory_or_as_a_function_is_one():
    assert double.with_options(trigger=some_failed).options.trigger.name.startswith("some_failed")

    def never(counts): ...

    assert double.with_options(trigger=never).options.trigger.name == "never"


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda *rows: rows, r"takes \*rows"),
        (lambda row, /: row, "'row' is positional-only"),
        (lambda upstream: upstream, "'upstream' is taken"),
        (3, "@task needs a function, not 3"),
        (double, "'double' is a task already"),
    ],
)
def test_a_function_whose_inputs_have_no_names_is_refused(function, says):
    with pytest.raises(errors.GraphError, match=says):
        task(function)


def test_map_and_upstream_need_a_flow():
    with pytest.raises(errors.GraphError, match=r"`double\.map` makes a node in a flow's body"):
        double.map([1, 2])
    with pytest.raises(errors.GraphError, match="here is no flow"):
        double(1, upstream=[2])


def test_how_many_values_a_task_returns_is_read_from_its_annotation():
    @task
    def pair() -> tuple[int, str]:
        return 1, "a"

    @task
    def some() -> tuple[int, ...]:
        return (1,)

    assert pair.nout == 2
    assert some.nout is None
    assert double.with_options(nout=3).nout == 3


def test_a_task_keeps_its_functions_name_and_docstring():
    @task
    def documented(x):
        """Says something."""

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Says something."


def test_a_task_can_be_pickled_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    copy = pickle.loads(cloudpickle.dumps(fetch))
    assert copy("monday") == "monday/rows"
    assert copy.options.retries == 3


def test_marks_stand_only_for_themselves():
    assert type(unmapped([1])).__name__ == "Unmapped"
    assert type(flatten([[1]])).__name__ == "Flatten"
