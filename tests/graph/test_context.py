"""`context`: the facts of the run and task that code is in."""

import logging
import pickle

import pytest

from headrace import context, errors, flow, task
from headrace.graph import context as facts

RUN = facts.Run("r-1", "daily", {"day": "monday"}, fence=4)


def test_outside_a_run_the_error_says_so():
    with pytest.raises(errors.GraphError, match=r"`context\.run_id` is known only inside a run"):
        context.run_id  # noqa: B018
    with pytest.raises(errors.GraphError, match=r"`context\.map_index` is known only inside a task"):
        context.map_index  # noqa: B018
    assert not context


def test_the_facts_of_the_run_are_seen_in_its_tasks():
    with facts.entered(RUN):
        assert (context.run_id, context.fence, context.parameters) == ("r-1", 4, {"day": "monday"})
        with pytest.raises(errors.GraphError, match="only inside a task"):
            context.attempt  # noqa: B018
        with facts.entered(facts.Task(RUN, "clean", "clean-2", map_index=3, attempt=2, loop_value=7)):
            assert (context.task_name, context.task_slug, context.map_index) == ("clean", "clean-2", 3)
            assert (context.attempt, context.loop_value, context.fence) == (2, 7, 4)
            assert context.logger is logging.getLogger("headrace.task")
            assert context
        assert facts.current() is RUN
    assert facts.current() is None


def test_an_unknown_fact_is_refused_with_a_suggestion():
    with (
        facts.entered(RUN),
        pytest.raises(errors.GraphError, match=r"`context` has no 'runid' \(did you mean 'run_id'\?\)"),
    ):
        context.runid  # noqa: B018


def test_entering_copies_nothing():
    with facts.entered(RUN):
        assert context.parameters is RUN.parameters


def test_context_is_the_same_wherever_it_is_unpickled():
    assert pickle.loads(pickle.dumps(context)) is context


def test_a_run_answers_to_its_tasks():
    @task
    def ask(number):
        return (
            context.flow_name,
            context.task_slug,
            context.map_index,
            dict(context.parameters),
            context.attempt,
        )

    @flow(name="asked")
    def body(day: str = "monday"):
        return ask.map([1, 2])

    assert body() == [("asked", "ask", 0, {"day": "monday"}, 1), ("asked", "ask", 1, {"day": "monday"}, 1)]


def test_it_lists_what_it_knows():
    assert {"run_id", "attempt", "logger", "scheduled_at"} <= set(dir(context))
