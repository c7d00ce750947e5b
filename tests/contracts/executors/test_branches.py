"""Branches, skipping and triggers come to the same on every executor."""

from typing import Any

from headrace.graph import conditions, triggers
from small_tasks import add, fail, give, one, skip


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
