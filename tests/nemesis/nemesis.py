"""Two minutes in which everything goes wrong, by a seed; then quiet, until all has ended. promises.py then looks at it."""

import asyncio
import collections
import dataclasses
import heapq
import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaos
import msgspec

from headrace import errors
from headrace.core import states
from headrace.wire import operations, runs
from nemesis import faults, installation, load, proxy

#: Seconds between two faults, on average.
EVERY = 2.5
#: Seconds after the last fault in which every run must have ended: restarts, an amnesty, a lease, a rescue, three times over.
BOUND = 150.0


@dataclasses.dataclass
class Outcome:
    """All that is known when it is over."""

    seed: int
    kind: str
    seconds: float
    quiet: float
    installed: installation.Installation
    faults: faults.Faults
    load: load.Load
    rows: dict[str, Any]
    events: dict[str, list[Any]]
    lines: dict[str, list[dict[str, Any]]]
    doctor: str
    stuck: list[str]
    unexpected: list[str]
    #: What true wall-clock time shows more than the monotonic clock.
    between: float


@dataclasses.dataclass(frozen=True)
class Planned:
    at: float
    kind: str
    lasts: float


def plan(seed: int, seconds: float, kinds: list[str]) -> list[Planned]:
    """The same for the same seed, on every machine."""
    chosen = random.Random(f"plan {seed}")
    weights = [faults.KINDS[kind][0] for kind in kinds]
    made: list[Planned] = []
    at = chosen.uniform(1, 3)
    while at < seconds:
        (kind,) = chosen.choices(kinds, weights)
        made.append(Planned(at, kind, chosen.uniform(*faults.KINDS[kind][1:])))
        at += chosen.expovariate(1 / EVERY)
    return made


class Nemesis:
    def __init__(self, folder: Path, seed: int, kind: str, seconds: float) -> None:
        self.seed, self.kind, self.seconds = seed, kind, seconds
        self.installed = installation.Installation(folder, seed, kind)
        self.faults = faults.Faults(self.installed, seed)
        self.probe = self.installed.stack.folder / "probe"
        self.unexpected: list[str] = []

    def run(self) -> Outcome:
        """Raises only where the test itself cannot go on; promises are looked at afterwards, in promises.py."""
        self.probe.mkdir()
        installed = self.installed
        installed.start()
        people = load.Load(
            installed.users.url,
            installed.stack.api._key,
            installed.history,
            self.seed,
            flows={mode: f"{chaos.PROJECT}/{flow}" for mode, flow in chaos.FLOWS.items()},
            folder=self.probe,
        )
        for between in installed.proxies.values():
            between.weather = proxy.USUAL
        people.start()
        try:
            self._strike()
        finally:
            people.stop()
        for between in installed.proxies.values():
            between.weather = proxy.CALM
        calm = time.monotonic()
        while (left := self._left()) and time.monotonic() < calm + BOUND:
            self._keep_up()
            time.sleep(0.2)
        quiet = time.monotonic() - calm
        for process in (*installed.stack.agents.values(), *installed.servers.values()):
            if process.poll() is None:
                installed.stack.end(process, faults.DRAIN)
        looked = installed.stack.cli("doctor")
        rows, events = asyncio.run(chaos._read(installed.database_url))
        by_run: dict[str, list[Any]] = collections.defaultdict(list)
        for event in events:
            by_run[str(event.flow_run_id)].append(event)
        return Outcome(
            seed=self.seed,
            kind=self.kind,
            seconds=self.seconds,
            quiet=quiet,
            installed=installed,
            faults=self.faults,
            load=people,
            rows={str(row.id): row for row in rows},
            events=by_run,
            lines={str(row.id): self._lines(str(row.id)) for row in rows},
            doctor="" if looked.returncode == 0 else looked.stdout + looked.stderr,
            stuck=left,
            unexpected=self.unexpected,
            between=time.time() - time.monotonic(),
        )

    def close(self) -> None:
        self.installed.close()

    def _lines(self, run: str) -> list[dict[str, Any]]:
        path = self.probe / f"{run}.lines"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [msgspec.json.decode(line) for line in whole.splitlines()]

    # --- striking ---

    def _strike(self) -> None:
        began = time.monotonic()
        order = itertools.count()
        undoing: list[tuple[float, int, Callable[[], None]]] = []
        todo = collections.deque(plan(self.seed, self.seconds, self.faults.kinds()))
        try:
            while todo or undoing or time.monotonic() < began + self.seconds:
                moment = time.monotonic() - began
                while undoing and undoing[0][0] <= moment:
                    heapq.heappop(undoing)[2]()
                while todo and todo[0].at <= moment:
                    planned = todo.popleft()
                    undo = self.faults.do(planned.kind)
                    if undo is not None:
                        heapq.heappush(undoing, (moment + planned.lasts, next(order), undo))
                self._keep_up()
                time.sleep(0.05)
        finally:
            for _, _, undo in undoing:
                undo()

    def _keep_up(self) -> None:
        """Starts again what has ended without having been ended here; that is counted."""
        for name, process in list(self.installed.servers.items()):
            if name not in self.faults.busy and process.poll() is not None:
                self.unexpected.append(f"{name} ended by itself: {process.returncode}")
                self.installed.start_server(name)
        for name, process in list(self.installed.stack.agents.items()):
            if name not in self.faults.busy and process.poll() is not None:
                self.unexpected.append(f"{name} ended by itself: {process.returncode}")
                self.installed.start_agent(name)

    def _left(self) -> list[str]:
        """Who has not ended; nobody knows while the server is away."""
        wanted = [str(kind) for kind in states.StateType if not kind.is_finished]
        request = runs.ListFlowRuns(project=chaos.PROJECT, state=wanted, limit=200)
        try:
            page = self.installed.stack.api.call(operations.list_flow_runs, request, timeout=5, patience=0)
        except errors.HeadraceError as error:
            return [f"the server does not say: {error.message}"]
        return [f"{run.id} {run.state.name} {run.state.message}".rstrip() for run in page.items]
