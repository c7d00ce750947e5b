"""A flow that shows things and reads variables, in the run's process and in worker processes."""

import json
import os
import time
from pathlib import Path

from headrace import (
    Client,
    ProcessExecutor,
    ThreadExecutor,
    artifacts,
    context,
    flow,
    task,
    unmapped,
    variables,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)


@task(name="show")
def show(folder: str) -> int:
    artifacts.markdown(f"# From {variables.get('region')}", key="report", title="The report")
    artifacts.table([{"day": "monday", "sum": 3}], key="sums")
    artifacts.link("https://example.com/report", "the report")
    artifacts.image(PNG, alt="a drawing")
    bar = artifacts.progress(text="rows", key="rows")
    bar.update(0.5)
    (Path(folder) / "half-way").touch()
    until = time.monotonic() + 60
    while not (Path(folder) / "go").exists() and time.monotonic() < until:
        time.sleep(0.02)
    for step in range(101):
        bar.update(step / 100)
    return os.getpid()


@task(name="look")
def look(number: int, after: int) -> list[object]:
    """The process in which things were shown, as whom this one speaks to the server, and what it reads there."""
    mine = Client(patience=60).read_flow_run(context.run_id)  # type: ignore[arg-type] - as text it does as well
    return [after, mine.name, variables.get("region"), variables.get("rows", number)]


@task(name="keep")
def keep(folder: str, seen: list[list[object]]) -> None:
    (Path(folder) / "seen").write_text(json.dumps(seen))


@flow(name="in-threads", executor=ThreadExecutor(workers=2))
def in_threads(folder: str) -> None:
    pid = show(folder)
    keep(folder, look.map([1, 2, 3], unmapped(pid)))


@flow(name="in-processes", executor=ProcessExecutor(workers=2))
def in_processes(folder: str) -> None:
    pid = show(folder)
    keep(folder, look.map([1, 2, 3], unmapped(pid)))
