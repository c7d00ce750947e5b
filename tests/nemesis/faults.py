"""Everything that can go wrong here, each as a method that does it to something and answers how to undo it."""

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

from headrace.launch import identity
from nemesis import installation, proxy

#: Seconds that what listens needs to end after SIGTERM.
DRAIN = 45.0
HOUR = 3600.0
Undo = Callable[[], None]


@dataclasses.dataclass
class Fault:
    """One that hit; `runs`: those that it struck, where it struck runs."""

    kind: str
    target: str
    began: float
    healed: float = 0.0
    runs: tuple[str, ...] = ()

    def overlaps(self, since: float, until: float) -> bool:
        return self.began <= until and since <= (self.healed or float("inf"))


#: How often in comparison, and for how long, from and to.
KINDS: dict[str, tuple[int, float, float]] = {
    "kill_server": (8, 0.0, 3.0),
    "stop_server": (6, 2.0, 8.0),
    "drain_server": (4, 0.5, 1.0),
    "kill_agent": (8, 0.0, 4.0),
    "drain_agent": (3, 1.0, 2.0),
    "stop_agent": (5, 2.0, 10.0),
    "kill_run": (9, 0.0, 0.0),
    "kill_supervisor": (8, 0.0, 0.0),
    "pause_host": (5, 2.0, 16.0),
    "cut_both": (7, 2.0, 14.0),
    "cut_answers": (5, 2.0, 14.0),
    "cut_requests": (5, 2.0, 14.0),
    "crash_postgres": (6, 0.0, 3.0),
    "clock_forward": (3, 0.0, 0.0),
    "clock_back": (3, 0.0, 0.0),
    "fill_disk": (7, 3.0, 8.0),
    "storm": (10, 3.0, 10.0),
}


class Faults:
    """What hit is in `hit`; nothing is hit twice at once."""

    def __init__(self, installed: installation.Installation, seed: int) -> None:
        self.installed = installed
        self.hit: list[Fault] = []
        self.passed = 0
        #: What was killed, by run: the attempts. And the runs whose host was paused, which voids one promise.
        self.struck: dict[str, set[int]] = {}
        self.paused: set[str] = set()
        self.problems: list[str] = []
        #: Who is down or stopped because somebody wanted it so.
        self.busy: set[str] = set()
        self._random = random.Random(f"targets {seed}")

    def kinds(self) -> list[str]:
        """Those that can be done here."""
        lacking = set[str]()
        if self.installed.postgres is None:
            lacking.add("crash_postgres")
        if self.installed.clock is None:
            lacking |= {"clock_forward", "clock_back"}
        if self.installed.disk is None:
            lacking.add("fill_disk")
        return [kind for kind in KINDS if kind not in lacking]

    def do(self, kind: str) -> Undo | None:
        """Does it, where there is something to be hit; the answer undoes it."""
        name, choices = self._targets(kind)
        free = [choice for choice in choices if choice not in self.busy]
        if not free:
            self.passed += 1
            return None
        target = self._random.choice(free)
        fault = Fault(kind, target, time.monotonic())
        self.busy.add(target)
        undo = None
        try:
            with contextlib.suppress(ProcessLookupError):
                undo = getattr(self, f"_{name}")(target, fault)
        finally:
            if undo is None:
                self.busy.discard(target)
        if undo is None:
            self.passed += 1
            return None
        self.hit.append(fault)

        def heal() -> None:
            undo()
            fault.healed = time.monotonic()
            self.busy.discard(target)

        return heal

    def _targets(self, kind: str) -> tuple[str, list[str]]:
        """The method, and what it may choose from."""
        what = kind.partition("_")[2]
        match what:
            case "server":
                return kind, sorted(self.installed.ports)
            case "agent":
                return kind, self.installed.agents
            case "run" | "supervisor":
                return "kill_attempt", [f"{what} of {name}" for name in self._awake()]
            case "host":
                return kind, self._awake()
            case "both" | "answers" | "requests":
                return "cut", [f"{what} of {name}" for name in self._awake()]
            case "postgres" | "disk":
                return kind, [what]
            case "forward" | "back":
                return "clock", ["clock"]
            case _:
                return kind, [f"network of {name}" for name in self.installed.proxies]

    def _awake(self) -> list[str]:
        return [name for name in self.installed.agents if name not in self.busy]

    # --- servers ---

    def _kill_server(self, name: str, _: Fault) -> Undo | None:
        process = self.installed.servers[name]
        if process.poll() is not None:
            return None
        self.installed.stack.kill(process)
        return lambda: self.installed.start_server(name)

    def _stop_server(self, name: str, _: Fault) -> Undo | None:
        return _stop([self.installed.servers[name].pid])

    def _drain_server(self, name: str, _: Fault) -> Undo | None:
        return self._end(name, self.installed.servers[name], lambda: self.installed.start_server(name))

    def _end(self, name: str, process: subprocess.Popen[bytes], start: Undo) -> Undo | None:
        """As a rolling restart does: it is asked to end, has ended some time later, and is started again."""
        if process.poll() is not None:
            return None
        process.terminate()

        def undo() -> None:
            try:
                process.wait(DRAIN)
            except subprocess.TimeoutExpired:
                self.problems.append(f"{name} had not ended {DRAIN:g} s after SIGTERM")
                self.installed.stack.kill(process)
            start()

        return undo

    def _crash_postgres(self, _: str, __: Fault) -> Undo:
        postgres = self.installed.postgres
        assert postgres is not None
        postgres.stop()
        return postgres.start

    def _clock(self, _: str, fault: Fault) -> Undo:
        """Forward by an hour; back by less than a lease and grace, for what waits then waits so much longer."""
        clock = self.installed.clock
        assert clock is not None
        by = HOUR if fault.kind == "clock_forward" else -self._random.uniform(2, 12)
        clock.set(clock.offset + by)
        fault.target = f"clock {by:+.0f} s"
        return lambda: None

    def _fill_disk(self, _: str, __: Fault) -> Undo:
        assert self.installed.disk is not None
        path = self.installed.disk / "filler"
        with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        return path.unlink

    # --- agents and what they started ---

    def _kill_agent(self, name: str, _: Fault) -> Undo | None:
        process = self.installed.stack.agents[name]
        if process.poll() is not None:
            return None
        self.installed.stack.kill(process)
        return lambda: self.installed.start_agent(name)

    def _drain_agent(self, name: str, _: Fault) -> Undo | None:
        process = self.installed.stack.agents[name]
        return self._end(name, process, lambda: self.installed.start_agent(name))

    def _stop_agent(self, name: str, _: Fault) -> Undo | None:
        return _stop([self.installed.stack.agents[name].pid])

    def _pause_host(self, name: str, fault: Fault) -> Undo | None:
        """A host that sleeps: nothing on it gets any time. Across a deadline that is a pause longer than the promise."""
        undo = _stop(self.installed.processes(name))
        # looked at when nothing moves any more: what began meanwhile is paused too
        fault.runs = tuple(attempt.flow_run_id for attempt in self.installed.attempts(name))
        self.paused.update(fault.runs)
        return undo

    def _kill_attempt(self, target: str, fault: Fault) -> Undo | None:
        part, _, name = target.partition(" of ")
        found = [one for one in self.installed.attempts(name) if getattr(one, part)]
        if not found:
            return None
        chosen = self._random.choice(found)
        # said before the deed: the system may be faster than this line
        self.struck.setdefault(chosen.flow_run_id, set()).add(chosen.fence)
        fault.runs = (chosen.flow_run_id,)
        os.kill(getattr(chosen, part), signal.SIGKILL)
        return lambda: None

    # --- networks ---

    def _cut(self, target: str, fault: Fault) -> Undo:
        way, _, name = target.partition(" of ")
        self.busy.add(name)
        host, between = self.installed.hosts.get(name), self.installed.proxies[name]
        fault.runs = tuple(attempt.flow_run_id for attempt in self.installed.attempts(name))
        if host is not None:
            host.cut(way)
            mend = host.mend
        else:
            between.hold(requests=way != "answers", answers=way != "requests")

            def mend() -> None:
                between.hold(requests=False, answers=False)

        def undo() -> None:
            mend()
            self.busy.discard(name)

        return undo

    def _storm(self, target: str, _: Fault) -> Undo:
        between = self.installed.proxies[target.partition(" of ")[2]]
        between.weather = proxy.STORM

        def undo() -> None:
            between.weather = proxy.USUAL

        return undo


def _stop(pids: list[int]) -> Undo | None:
    """SIGSTOP to each, the first first; and SIGCONT in the reverse order to those that still are they."""
    known = {pid: identity.start_time(pid) for pid in pids}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)

    def undo() -> None:
        for pid in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                if identity.start_time(pid) == known[pid]:
                    os.kill(pid, signal.SIGCONT)

    return undo if pids else None
