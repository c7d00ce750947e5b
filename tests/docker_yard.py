"""An installation whose agent launches containers in a Docker engine, and flows for them.

`DOCKER_HOST` names the engine, `HEADRACE_TEST_IMAGE` an image with this Python, and `HEADRACE_TEST_HOST` the address at which
containers reach this machine.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import headrace
from headrace import errors
from headrace.launch.docker.engine import Engine, EngineError
from headrace.wire import run_configs, runs
from stack import Stack

#: The issue's promise: within so many seconds a run says what went wrong.
SECONDS = 30.0
FLOWS = """
import logging
import os
import signal
import sys
import time

from headrace import flow, task
from headrace.wire.run_configs import DockerRun


@task
def adds(a: int, b: int) -> int:
    print("the sum is made in a container", flush=True)
    return a + b


@task
def waits(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


@task
def eats(mebibytes: int) -> int:
    return len(bytearray(os.urandom(1024 * 1024) * mebibytes))


@task
def leaves(code: int) -> None:
    os._exit(code)


@task
def looks() -> str:
    return repr(dict(os.environ)) + open("/proc/self/status").read()


@flow(name="adds", run_config=DockerRun(image="IMAGE"))
def adding(a: int = 1, b: int = 2):
    return adds(a, b)


@flow(name="waits", run_config=DockerRun(image="IMAGE"))
def waiting(seconds: float = 120.0):
    return waits(seconds)


@flow(name="eats", run_config=DockerRun(image="IMAGE"))
def eating(mebibytes: int = 600):
    return eats(mebibytes)


@flow(name="leaves", run_config=DockerRun(image="IMAGE"))
def leaving(code: int = 3):
    return leaves(code)
"""


def prefixes() -> list[Path]:
    """Where this Python's packages and headrace itself are; an image with the same Python reads them there."""
    return [Path(sys.prefix), Path(headrace.__file__).parent.parent]


class Yard:
    """An installation whose agent launches containers."""

    def __init__(self, stack: Stack, engine: Engine, engine_url: str, image: str) -> None:
        self.stack, self.engine, self.engine_url, self.image = stack, engine, engine_url, image
        #: More of `headrace agent`'s.
        self.options: tuple[str, ...] = ()
        self.policy = stack.folder / "policy.toml"
        self.host = os.environ.get("HEADRACE_TEST_HOST", "172.17.0.1")
        self.write_policy()

    def write_policy(self, extra: str = "", docker: str = "") -> None:
        volumes = [f"{path}:{path}:ro" for path in prefixes()]
        path = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"
        self.policy.write_text(
            f"{extra}\n[docker]\nvolumes = {json.dumps(volumes)}\n{docker}\n[docker.env]\nPATH = {json.dumps(path)}\n"
        )

    def start(self) -> None:
        self.stack.start_server()
        source = self.stack.folder / "in_containers.py"
        source.write_text(FLOWS.replace("IMAGE", self.image))
        self.stack.register(source, "yard")
        self.start_agent()

    @property
    def agent(self) -> str:
        """Its name, which no other test's agent at the same engine has."""
        return f"dock-{self.stack.folder.name}"

    def start_agent(self, **environment: str) -> None:
        options = ("--launch", "docker", "--policy", str(self.policy), *self.options)
        url = f"http://{self.host}:{self.stack.port}"
        self.stack.start_agent(
            self.agent, *options, url=url, **{"DOCKER_HOST": self.engine_url, **environment}
        )

    def run(self, flow: str, config: run_configs.DockerRun | None = None, **parameters: Any) -> runs.FlowRun:
        return self.stack.api.create_flow_run(flow=f"yard/{flow}", parameters=parameters, run_config=config)

    def config(self, **given: Any) -> run_configs.DockerRun:
        return run_configs.DockerRun(**{"image": self.image, **given})

    def ended(self, run: runs.FlowRun, seconds: float = SECONDS) -> tuple[str, str, str]:
        """State, code and message at the run's end."""
        state = self.stack.finished(run, seconds).state
        return state.type.value, state.code, state.message

    def containers(self, run: runs.FlowRun | None = None) -> list[dict[str, Any]]:
        label = "headrace.run" if run is None else f"headrace.run={run.id}"
        filters = json.dumps({"label": [label]})
        found: list[dict[str, Any]] = self.engine.call(
            "GET", "/containers/json", {"all": "1", "filters": filters}
        )
        return [item for item in found if item["Labels"]["headrace.agent"].startswith(f"{self.agent}-")]

    def container(self, run: runs.FlowRun) -> dict[str, Any]:
        """The run's container, once it runs."""

        def look() -> dict[str, Any] | None:
            return next((item for item in self.containers(run) if item["State"] == "running"), None)

        return self.stack.until(look, "the container runs")

    def running(self, run: runs.FlowRun) -> dict[str, Any]:
        """The same, once user code runs in it."""
        self.stack.until(
            lambda: self.stack.api.read_flow_run(run.id).state.type.value == "Running", "it runs"
        )
        return self.container(run)

    def is_cleared(self, run: runs.FlowRun) -> bool:
        return not self.containers(run)

    def close(self) -> None:
        for item in self.containers():
            # its agent may just have removed it
            with contextlib.suppress(EngineError, errors.LaunchError):
                self.engine.read("DELETE", f"/containers/{item['Id']}", {"force": "1", "v": "1"})
