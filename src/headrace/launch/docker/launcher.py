"""Workloads as containers: made, followed, found again by their labels, and removed when their end has been told."""

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import place as places
from headrace.launch.docker import endings, images, spec
from headrace.launch.docker.engine import Engine, EngineError
from headrace.wire import run_configs

SOCKET = "unix:///var/run/docker.sock"
#: Seconds between two looks for an engine that is away.
LOOK_SECONDS = 0.25
#: For making and starting a container: a busy disk takes its time for a large image.
CREATE_SECONDS = 120.0
#: Beyond the grace, for the engine's own work.
STOP_SECONDS = 20.0


class DockerLauncher:
    """Starts each workload in a container, of which the host sees the run's own directory."""

    kind = "docker"
    is_slow = True

    def __init__(self, place: places.Place, *, name: str) -> None:
        self.engine = Engine(place.variables.get("DOCKER_HOST") or SOCKET)
        self._images = images.Images(self.engine, place.variables, place.home)
        self._agent = f"{name}-{_identity(place.folder.parent / 'containers')}"
        self._user = ""
        #: Those that this agent has told to stop.
        self._told: set[str] = set()

    def warm_up(self) -> None:
        """Nothing: an engine is warm."""

    # --- starting ---

    def start(self, workload: launch.Workload) -> Iterator[launch.LaunchState]:
        """First the directory, then the image, then the container. Raises errors.LaunchError with the reason in words."""
        wanted = workload.container
        assert wanted is not None
        assert isinstance(wanted.config, run_configs.DockerRun)
        state = launch.LaunchState(self.kind, workload.name, str(workload.directory))
        run_directory.fill(workload.directory, workload.files)
        yield state
        for message in self._images.provide(wanted.image, wanted.config.pull):
            yield msgspec.structs.replace(state, step="PullingImage", message=message)
        found = self._create(workload)
        try:
            self.engine.call("POST", f"/containers/{found}/start", timeout=CREATE_SECONDS)
        except EngineError as error:
            raise endings.not_started(error, wanted) from None
        yield msgspec.structs.replace(state, handle={"container": found})

    def _create(self, workload: launch.Workload) -> str:
        assert workload.container is not None
        name = spec.name(workload.name)
        body = spec.container(workload, agent=self._agent, user=self._user_of_containers())
        try:
            answer = self.engine.call(
                "POST", "/containers/create", {"name": name}, body, timeout=CREATE_SECONDS
            )
            return str(answer["Id"])
        except EngineError as error:
            raise endings.not_started(error, workload.container) from None

    def _user_of_containers(self) -> str:
        """The agent's own, for the handover is its file. In a rootless engine that user is called 0."""
        if not self._user:
            options: list[str] = self.engine.call("GET", "/info").get("SecurityOptions") or []
            rootless = any(option.startswith("name=rootless") for option in options)
            self._user = "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"
        return self._user

    # --- watching ---

    def observe(self, state: launch.LaunchState) -> launch.Observation:
        # in this order: the record is written before the container ends
        directory = Path(state.directory)
        try:
            found = self._inspected(state)
        except errors.LaunchError:
            # an engine that ends takes its containers along, and this one has said so
            record = run_directory.read_exit(directory)
            if record is None or not (record.reported or record.stopped):
                raise
            return endings.recorded(record, endings.RESTARTED)
        record = run_directory.read_exit(directory)
        if found is None:
            if record is not None:
                return endings.recorded(record)
            if not state.handle:
                return launch.Observation(launch.Phase.PENDING)
            return endings.REMOVED
        status = found["State"]["Status"]
        if status == "created":
            return launch.Observation(launch.Phase.PENDING)
        if status in ("running", "paused", "restarting"):
            return launch.Observation(launch.Phase.RUNNING)
        if status == "removing" and record is None:
            return endings.REMOVED
        waiting = run_directory.is_waiting(directory)
        said = self._text(found["Id"]) if waiting else ""
        facts = endings.Facts(
            began=not waiting, said=said, outage=self.engine.outage, told=state.name in self._told
        )
        return endings.ended(found, record, facts)

    def follow(self, state: launch.LaunchState) -> int | None:
        found = state.handle.get("container")
        return self.engine.waiting(str(found)) if found else None

    def logs(self, state: launch.LaunchState, after: str = "") -> launch.Output:
        """By the time of each line, which is where the next piece begins."""
        found = self._inspected(state)
        if found is None:
            return launch.Output(b"", after)
        content: list[bytes] = []
        for line in self._lines(found["Id"], after):
            at, _, text = line.partition(b" ")
            if at.decode() > after:
                content.append(text)
                after = at.decode()
        return launch.Output(b"".join(content)[-run_directory.OUTPUT_BYTES :], after)

    def _lines(self, container: str, after: str) -> list[bytes]:
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": "10000"}
        if after:
            query["since"] = after
        with contextlib.suppress(EngineError):
            return _unframed(self.engine.read("GET", f"/containers/{container}/logs", query)).splitlines(True)
        return []

    def _text(self, container: str) -> str:
        lines = [line.partition(b" ")[2] for line in self._lines(container, "")]
        return b"".join(lines).decode(errors="replace")

    def _inspected(self, state: launch.LaunchState) -> dict[str, Any] | None:
        """What the engine knows of the container; None when there is none of ours."""
        which = state.handle.get("container") or spec.name(state.name)
        try:
            found: dict[str, Any] = self.engine.call("GET", f"/containers/{which}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise _refused(error) from None
        labels: dict[str, str] = found["Config"].get("Labels") or {}
        return found if labels.get(spec.AGENT) == self._agent else None

    # --- ending ---

    def withdraw(self, state: launch.LaunchState) -> bool:
        return run_directory.withdraw(Path(state.directory))

    def stop(self, state: launch.LaunchState, grace: timedelta) -> None:
        self._told.add(state.name)
        try:
            found = self._inspected(state)
        except errors.LaunchError:
            if run_directory.read_exit(Path(state.directory)) is None:
                raise
            return
        if found is None or not found["State"]["Running"]:
            return
        seconds = max(0, round(grace.total_seconds()))
        try:
            self.engine.read(
                "POST",
                f"/containers/{found['Id']}/stop",
                {"t": str(seconds)},
                timeout=seconds + STOP_SECONDS,
            )
        except EngineError as error:
            if error.status != 404:
                raise _refused(error) from None

    def forget(self, state: launch.LaunchState) -> None:
        found = self._inspected(state)
        if found is not None:
            self._remove(found["Id"])
        self._told.discard(state.name)
        shutil.rmtree(state.directory, ignore_errors=True)

    def found(self) -> Iterable[launch.Found]:
        """Nothing: the journal lies beside the run's directory, without which a container has told its end to nobody."""
        return ()

    def clear(self, keep: Collection[str]) -> None:
        """Containers with this agent's label that it does not know."""
        filters = msgspec.json.encode({"label": [f"{spec.AGENT}={self._agent}"]}).decode()
        try:
            found = self.engine.call("GET", "/containers/json", {"all": "1", "filters": filters})
        except EngineError as error:
            raise _refused(error) from None
        for item in found:
            if item["Labels"].get(spec.WORKLOAD) not in keep:
                self._remove(item["Id"])

    def _remove(self, container: str) -> None:
        try:
            self.engine.read(
                "DELETE", f"/containers/{container}", {"force": "1", "v": "1"}, timeout=STOP_SECONDS
            )
        except EngineError as error:
            # gone, or somebody removes it at this moment
            if error.status not in (404, 409):
                raise _refused(error) from None

    def await_readiness(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while not self.engine.is_there():
            if time.monotonic() >= until:
                return f"The container engine at {self.engine.url} does not answer."
            time.sleep(LOOK_SECONDS)
        return ""

    def close(self) -> None:
        """Nothing is held."""


def _refused(error: EngineError) -> errors.LaunchError:
    return errors.LaunchError(f"the container engine refuses: {error}")


def _unframed(content: bytes) -> bytes:
    """Without the heads of eight bytes by which the engine tells one stream from the other."""
    text: list[bytes] = []
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        text.append(content[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(text)


def _identity(path: Path) -> str:
    """This agent's own word, made once: another agent of the name, with another data folder, may use the same engine."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(uuid4().hex[:12])
    draft.replace(path)
    return path.read_text()
