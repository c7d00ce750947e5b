"""Caches, targets and persisted results come to the same on every executor."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from headrace.engine import flow_runner
from headrace.graph import caching, task
from small_tasks import noted, numbers, total


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
