"""Pausing and asking come to the same on every executor."""

from pathlib import Path
from typing import Any

import pytest

from headrace import errors
from headrace.engine import flow_runner
from headrace.graph import context, task, triggers
from small_tasks import add, noted, one


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
