"""C21, R6: the launches that every launcher does, as processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from headrace.wire import runs
from launcher_conformance import Launches
from stack import Stack

FLOWS = """
import os
import time

from headrace import flow, task


@task
def sums(a: int, b: int) -> int:
    print("the sum is made in a process", flush=True)
    return a + b


@task
def sleeps(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


@task
def goes(code: int) -> None:
    os._exit(code)


@flow(name="adds")
def adding(a: int = 1, b: int = 2):
    return sums(a, b)


@flow(name="waits")
def waiting(seconds: float = 120.0):
    return sleeps(seconds)


@flow(name="leaves")
def leaving(code: int = 3):
    return goes(code)
"""


class Machine:
    """An installation whose agent starts processes."""

    agent = "a0"

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def start_agent(self) -> None:
        self.stack.start_agent(self.agent)

    def run(self, flow: str, config: Any = None, **parameters: Any) -> runs.FlowRun:
        return self.stack.api.create_flow_run(flow=f"here/{flow}", parameters=parameters, run_config=config)

    def ended(self, run: runs.FlowRun, seconds: float = 30.0) -> tuple[str, str, str]:
        state = self.stack.finished(run, seconds).state
        return state.type.value, state.code, state.message

    def is_cleared(self, run: runs.FlowRun) -> bool:
        return not any(process.flow_run_id == str(run.id) for process in self.stack.run_processes())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    stack = Stack(tmp_path_factory.mktemp("here"))
    stack.start()
    source = stack.folder / "here.py"
    source.write_text(FLOWS)
    stack.register(source, "here")
    yield Machine(stack)
    stack.close()


class TestProcesses(Launches):
    """As processes of this machine."""
