"""F14: the database's disk is full; runs under way end all the same, logs are given up first, and it recovers by itself."""

from collections.abc import Iterator
from pathlib import Path

import disks
import pytest
import urllib3

import stack as stacks
from headrace.wire import logs, operations

FLOW = """
import time
from pathlib import Path
from headrace import context, flow, task

@task
def talk(path: str) -> None:
    log = context.logger
    while not Path(path).exists():
        log.info("still here " + "x" * 200)
        time.sleep(0.05)

@flow
def talking(path: str) -> None:
    talk(path)

@flow
def quick(path: str) -> None:
    talk("/dev/null")
"""
MIB = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small(tmp_path / "disk", 32) as folder:
        yield folder


def health(stack: stacks.Stack) -> str:
    return urllib3.request("GET", f"{stack.url}/readyz", timeout=5, retries=False).data.decode()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_under_way_ends_on_a_full_disk_and_the_reserve_comes_back(
    disk: Path, make_stack: stacks.Make
) -> None:
    stack = make_stack(
        environment={
            "HEADRACE_DATABASE_URL": f"sqlite:///{disk}/headrace.db",
            "HEADRACE_DISK_RESERVE_MB": "4",
        }
    )
    stack.start(1)
    reserve = disk / "headrace.db.reserve"
    assert reserve.stat().st_blocks * 512 >= 4 * MIB
    (stack.folder / "flows.py").write_text(FLOW)
    stack.register(stack.folder / "flows.py", "p")
    go = stack.folder / "go"
    run = stack.run("p/talking", path=str(go))
    stack.until(lambda: stack.api.read_flow_run(run.id).state.name == "Running", "it runs")
    filler = disks.fill(disk)
    # its logs fill what is left, and then the reserve is given up
    stack.until(lambda: "its disk was full" in health(stack), "health says so", 120)
    assert not reserve.exists()
    assert (disk / "filler").stat().st_size > 10 * MIB

    def dropped() -> list[str]:
        page = stack.api.call(operations.list_logs, logs.ListLogs(flow_run_id=run.id, search="dropped"))
        return [line.message for line in page.items]

    stack.until(dropped, "logs are dropped with a word about it")
    assert "disk is full" in dropped()[0]
    go.touch()
    assert stack.finished(run, 120).state.name == "Success"
    # somebody makes room
    filler.unlink()
    stack.until(lambda: health(stack) == "ready\n", "the reserve is back")
    assert reserve.exists()
    assert stack.finished(stack.run("p/quick", path=""), 120).state.name == "Success"
    assert "reserve" in stack.log("server")
    assert "Traceback" not in stack.log("server")
    assert stack.server is not None
    assert stack.end(stack.server) == 0
    assert stack.cli("doctor").returncode == 0


@pytest.mark.timeout(120)
def test_a_server_starts_on_a_full_disk_from_its_reserve(disk: Path, make_stack: stacks.Make) -> None:
    stack = make_stack(
        environment={
            "HEADRACE_DATABASE_URL": f"sqlite:///{disk}/headrace.db",
            "HEADRACE_DISK_RESERVE_MB": "4",
        }
    )
    stack.start_server()
    assert stack.server is not None
    stack.end(stack.server)
    filler = disks.fill(disk)
    stack.start_server()
    assert "its disk was full" in health(stack)
    assert stack.api.create_project("p").name == "p"
    filler.unlink()
    stack.until(lambda: health(stack) == "ready\n", "the reserve is back")
    assert (disk / "headrace.db.reserve").exists()


@pytest.mark.timeout(120)
def test_a_small_disk_gets_no_reserve_that_would_fill_it(disk: Path, make_stack: stacks.Make) -> None:
    stack = make_stack(
        environment={
            "HEADRACE_DATABASE_URL": f"sqlite:///{disk}/headrace.db",
            "HEADRACE_DISK_RESERVE_MB": "16",
        }
    )
    stack.start_server()
    assert not (disk / "headrace.db.reserve").exists()
    assert "no room for the reserve" in stack.log("server")
    assert health(stack) == "ready\n"
