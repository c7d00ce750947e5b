"""Workloads as processes on this machine: forked from the warm template, or started cold where that cannot be.

A workload outlives the launcher that started it; another one finds it again by its directory, pid and start time.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Container, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch import identity
from headrace.launch import template as warm


class ProcessLauncher:
    """Starts each workload in a session and a directory of its own."""

    kind = "local"
    is_slow = False

    def __init__(self, template: warm.Template | None = None) -> None:
        self._template = template
        #: Those started cold are our children: they must be waited for.
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def warm_up(self) -> None:
        """Starts the template, so that the first workload need not wait for its imports."""
        if self._template is not None:
            self._template.start()

    def start(self, workload: launch.Workload) -> Iterator[launch.LaunchState]:
        """First the directory, then the process. Raises errors.LaunchError with the reason in words."""
        working = workload.working_directory or Path.cwd()
        if not working.is_dir():
            raise errors.LaunchError(
                f"the working directory {working} does not exist on {socket.gethostname()}: make it, or change the run config's working_dir."
            )
        state = launch.LaunchState(self.kind, workload.name, str(workload.directory))
        run_directory.fill(workload.directory, workload.files)
        yield state
        pid = self._spawn(workload, working)
        yield launch.LaunchState(
            self.kind,
            workload.name,
            str(workload.directory),
            {"pid": pid, "started": identity.start_time(pid) or 0.0},
        )

    def _spawn(self, workload: launch.Workload, working: Path) -> int:
        if self._template is not None and self._template.fits(workload.environment):
            # a template that fails to answer may have forked all the same; only one supervisor can take the handover
            with contextlib.suppress(errors.LaunchError):
                return self._template.fork(workload.directory, workload.environment, working)
        try:
            output = warm.open_output(workload.directory / run_directory.OUTPUT)
            try:
                child = subprocess.Popen(
                    workload.command,
                    cwd=working,
                    env=workload.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            finally:
                os.close(output)
        except OSError as error:
            raise run_directory.not_made(error, workload.directory) from None
        self._children[child.pid] = child
        return child.pid

    def observe(self, state: launch.LaunchState) -> launch.Observation:
        directory = Path(state.directory)
        # in this order: the record is written before the supervisor ends
        alive = self.pid(state) is not None
        if alive:
            return launch.Observation(launch.Phase.RUNNING)
        record = run_directory.read_exit(directory)
        if record is not None:
            return launch.Observation(
                launch.Phase.EXITED,
                record.exit_code,
                record.reason,
                reported=record.reported,
                reporting=record.reporting,
            )
        if not run_directory.is_waiting(directory):
            words = "The process that supervised the run was killed, and the run's own process with it."
            return launch.Observation(launch.Phase.GONE, reason=words)
        if "pid" not in state.handle:
            return launch.Observation(launch.Phase.PENDING)
        return launch.Observation(
            launch.Phase.GONE,
            reason=f"The run's supervisor ended before the run began{_last_words(directory)}",
        )

    def follow(self, state: launch.LaunchState) -> int | None:
        """On Linux a pidfd, also of a process that is no child of this one."""
        if not hasattr(os, "pidfd_open"):
            return None
        pid = self.pid(state)
        if pid is None:
            return None
        try:
            opened = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        # between the look and the opening the process may have ended, and its pid been given again
        if self.pid(state) == pid:
            return opened
        os.close(opened)
        return None

    def logs(self, state: launch.LaunchState, after: str = "") -> launch.Output:
        return run_directory.read_output(Path(state.directory), after)

    def withdraw(self, state: launch.LaunchState) -> bool:
        return run_directory.withdraw(Path(state.directory))

    def pid(self, state: launch.LaunchState) -> int | None:
        """The supervisor's process, while it lives: the pid alone may have been given to another process since."""
        pid, started = self._supervisor(state)
        if pid is None:
            return None
        child = self._children.get(pid)
        if child is not None:
            child.poll()
        found = identity.start_time(pid)
        return pid if found is not None and found == started else None

    def stop(self, state: launch.LaunchState, grace: timedelta) -> None:
        for number, seconds in ((signal.SIGTERM, grace.total_seconds()), (signal.SIGKILL, 5.0)):
            pid = self.pid(state)
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            self._wait(state, seconds)
        self._kill_session(state)

    def forget(self, state: launch.LaunchState) -> None:
        pid = state.handle.get("pid")
        child = self._children.pop(pid, None) if isinstance(pid, int) else None
        if child is not None:
            child.poll()
        shutil.rmtree(state.directory, ignore_errors=True)

    def found(self) -> Iterable[launch.Found]:
        """Nothing: the journal lies on the machine that the processes are on."""
        return ()

    def clear(self, keep: Container[str]) -> None:
        """Nothing: what is left of a process is its directory, and its supervisor ends itself when that is gone."""

    def await_readiness(self, seconds: float) -> str:
        """A machine on which the agent runs can start processes, until it says otherwise."""
        return ""

    def close(self) -> None:
        """Ends the template; the workloads go on."""
        for child in self._children.values():
            # it outlives us, and Popen would complain that nobody waits for it
            child.returncode = child.poll() or 0
        self._children.clear()
        if self._template is not None:
            self._template.close()

    # --- finding the process again ---

    def _supervisor(self, state: launch.LaunchState) -> tuple[int | None, float]:
        """Pid and start time: its own word, or before it has given that the launch's."""
        holder = run_directory.read_holder(Path(state.directory))
        if holder is not None:
            return holder.pid, holder.started
        pid, started = state.handle.get("pid"), state.handle.get("started", 0.0)
        return (pid if isinstance(pid, int) else None), float(started)

    def _wait(self, state: launch.LaunchState, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.pid(state) is not None and time.monotonic() < until:
            time.sleep(0.02)

    def _kill_session(self, state: launch.LaunchState) -> None:
        """What a killed supervisor has left behind is still in its session."""
        session, _ = self._supervisor(state)
        if session is None:
            return
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if pid != os.getpid() and os.getsid(pid) == session:
                    os.kill(pid, signal.SIGKILL)


def _last_words(directory: Path) -> str:
    """What the supervisor wrote last, for a sentence's end. No user code has run, so that it can only be our own."""
    try:
        lines = (directory / run_directory.OUTPUT).read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return f": {lines[-1][:500]}" if lines else "."
