"""Async tasks run on every executor."""

import asyncio
from typing import Any

from headrace.graph import task


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
