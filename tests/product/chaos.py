"""Runs of the probe while everything that executes them is killed and paused at random; and what must be true afterwards.

What is killed is started again, as `headrace up` would. Truth comes from three places that know nothing of each other:
the lines that the probe writes, what was killed here, and the history in the server's database.
"""

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

import folds
import stack as stacks
from headrace import client, errors
from headrace.core import states
from headrace.launch import identity
from headrace.server import tables
from headrace.web import database as databases
from headrace.wire import operations, runs

PROBE = Path(__file__).with_name("probe.py")
PROJECT = "chaos"
FLOWS = {"crash": "at-most-once", "reschedule": "at-least-once"}
AGENTS, LIMIT = 3, 4
#: What is killed, and how often in comparison.
KINDS = {"run": 34, "supervisor": 26, "agent": 22, "server": 9, "template": 7}
#: Seconds between two kills of the server: the reaper's own lease, which on PostgreSQL outlives it by 15 s, the amnesty
#: of one lease, and time for a lease to be over.
SERVER_REST = 27.0
#: Seconds that a sleeper's code takes: the attempt that follows a pause must still be at it when the paused one wakes.
SLEEPER = 5.0
#: Seconds after the last fault in which every run must have ended: a claim, a rescue and an execution, three times over.
BOUND = 120.0


@dataclasses.dataclass
class Outcome:
    """What happened.

    `kills` and `pauses` have hit; `struck` has the attempts of each run that they hit, `paused` the runs that were stopped,
    and `woken` those of them that went on after another attempt of theirs had begun.
    """

    seed: int
    kills: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    struck: dict[str, set[int]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    paused: set[str] = dataclasses.field(default_factory=set)
    woken: set[str] = dataclasses.field(default_factory=set)
    acknowledged: dict[str, str] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    rows: dict[str, Any] = dataclasses.field(default_factory=dict)
    events: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    lines: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        ended = collections.Counter(
            f"{self.acknowledged[run]} {row.state_type}" for run, row in self.rows.items()
        )
        rescues = sum(row.rescues for row in self.rows.values())
        return (
            f"seed {self.seed}: {len(self.acknowledged)} runs in {self.seconds:.0f} s;"
            f" {self.kills.total()} kills ({_counted(self.kills)});"
            f" {len(self.paused)} pauses, {len(self.woken)} woken late;"
            f" {rescues} rescues; ended: {_counted(ended)}"
        )


def _counted(counter: collections.Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))


class Chaos:
    """Makes `each` runs of each mode and strikes until `kills` and `pauses` have hit; then lets everything end.

    Some of the rescheduled runs are sleepers: each is paused once, past its deadline, and not hit otherwise.
    """

    def __init__(
        self,
        stack: stacks.Stack,
        *,
        each: int,
        kills: int,
        pauses: int,
        seed: int,
        seconds: tuple[float, float] = (0.4, 2.0),
        every: float = 0.3,
    ) -> None:
        self.stack = stack
        self.outcome = Outcome(seed)
        self._each = each
        self._kills = kills
        self._pauses = pauses
        self._random = random.Random(seed)
        self._seconds = seconds
        self._every = every
        self._folder = stack.folder / "probe"
        self._folder.mkdir()
        self._sleepers: set[str] = set()
        #: The agent that gets no time now.
        self._asleep: str | None = None
        self._has_woken = threading.Event()
        self._server_rests_until = 0.0
        self._sleeping: list[threading.Thread] = []
        self._given_up = threading.Event()

    def run(self) -> Outcome:
        began = time.monotonic()
        self.stack.start(AGENTS, limit=LIMIT)
        self.stack.register(PROBE, PROJECT)
        making = [threading.Thread(target=target) for target in (self._make_runs, self._make_sleepers)]
        for thread in making:
            thread.start()
        try:
            self._strike()
        finally:
            self._given_up.set()
            self._has_woken.set()
            # the last one to be hit may have been the server, without which no run can be made
            threads = [*making, *self._sleeping]
            self._keep_up(stacks.PATIENCE, lambda: not any(thread.is_alive() for thread in threads))
            for thread in threads:
                thread.join(stacks.PATIENCE)
        assert not any(thread.is_alive() for thread in making), "the runs were not made"
        self._keep_up(BOUND, self._is_over)
        self.outcome.seconds = time.monotonic() - began
        self._gather()
        return self.outcome

    def _make_runs(self) -> None:
        """What was acknowledged must be there at the end; the client repeats what was not.

        They are spread over the hits, so that there is something to be hit to the last one.
        """
        chosen = random.Random(self.outcome.seed)
        with self._client() as api:
            for number in range(self._each):
                due = number / self._each * self._kills - 3
                while self.outcome.kills.total() < due and not self._given_up.wait(0.02):
                    pass
                self._make(api, "crash", chosen.uniform(*self._seconds), f"{number}")
                if number >= self._pauses:
                    self._make(api, "reschedule", chosen.uniform(*self._seconds), f"{number}")

    def _make_sleepers(self) -> None:
        """One after the other: each is paused for longer than the others run, and two agents must stay awake."""
        with self._client() as api:
            for number in range(self._pauses):
                self._has_woken.clear()
                self._sleepers.add(self._make(api, "reschedule", SLEEPER, f"sleeper {number}"))
                self._has_woken.wait(0 if self._given_up.is_set() else 2 * stacks.PATIENCE)

    def _client(self) -> contextlib.closing[client.Client]:
        return contextlib.closing(
            client.Client(self.stack.url, self.stack.api._key, patience=stacks.PATIENCE)
        )

    def _make(self, api: client.Client, mode: str, seconds: float, key: str) -> str:
        parameters = {"folder": str(self._folder), "seconds": seconds}
        flow = f"{PROJECT}/{FLOWS[mode]}"
        made = str(api.create_flow_run(flow=flow, parameters=parameters, idempotency_key=key).id)
        self.outcome.acknowledged[made] = mode
        return made

    # --- striking ---

    def _strike(self) -> None:
        """Until enough has hit, or nothing is left to be hit."""
        names, weights = list(KINDS), list(KINDS.values())
        deadline = time.monotonic() + 6 * self._kills * self._every + self._pauses * 3 * SLEEPER + BOUND
        while self.outcome.kills.total() < self._kills or len(self.outcome.paused) < self._pauses:
            assert time.monotonic() < deadline, (
                f"only {_counted(self.outcome.kills)} and {len(self.outcome.paused)} pauses hit"
            )
            self._keep_up(self._random.uniform(0.5, 1.5) * self._every, lambda: False)
            self._pause_a_sleeper()
            if self.outcome.kills.total() == self._kills:
                if self._is_over():
                    return
                continue
            kind = self._random.choices(names, weights)[0]
            has_hit = False
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                has_hit = getattr(self, f"_kill_{kind}")()
            if has_hit:
                self.outcome.kills[kind] += 1
            elif self._is_over():
                return

    def _kill_run(self) -> bool:
        return self._kill_attempt(lambda found: found.run)

    def _kill_supervisor(self) -> bool:
        return self._kill_attempt(lambda found: found.supervisor)

    def _kill_attempt(self, part: Any) -> bool:
        found = [
            one for one in self.stack.run_processes() if part(one) and one.flow_run_id not in self._sleepers
        ]
        if not found:
            return False
        chosen = self._random.choice(found)
        # said before the deed: the system may be faster than this line
        self.outcome.struck[chosen.flow_run_id].add(chosen.fence)
        os.kill(part(chosen), signal.SIGKILL)
        return True

    def _kill_agent(self) -> bool:
        return self._kill_process(self.stack.agents[self._random.choice(self._awake())])

    def _kill_server(self) -> bool:
        """Not while it starts, when it has nothing to lose; nor so often that its amnesties let no lease be over."""
        assert self.stack.server is not None
        moment = time.monotonic()
        if moment < self._server_rests_until or not self.stack.is_ready():
            return False
        self._server_rests_until = moment + SERVER_REST
        return self._kill_process(self.stack.server)

    def _kill_process(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            return False
        self.stack.kill(process)
        return True

    def _kill_template(self) -> bool:
        agent = self.stack.agents[self._random.choice(self._awake())]
        for pid in stacks.children(agent.pid):
            if "headrace.engine.template" in psutil.Process(pid).cmdline():
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def _awake(self) -> list[str]:
        return sorted(self.stack.agents.keys() - {self._asleep})

    def _pause_a_sleeper(self) -> None:
        """A host that sleeps past the deadline of its run: the agent, the supervisor and the run get no time."""
        if self._asleep is not None:
            return
        for one in self.stack.run_processes():
            waits = one.flow_run_id in self._sleepers - self.outcome.paused
            if not waits or one.run is None or not self._has_started(one):
                continue
            self._asleep = next(name for name in self.stack.agents if self._directory(name, one).exists())
            self.outcome.paused.add(one.flow_run_id)
            self.outcome.struck[one.flow_run_id].add(one.fence)
            self._sleeping.append(threading.Thread(target=self._sleep, args=(one, one.run, self._asleep)))
            self._sleeping[-1].start()
            return

    def _directory(self, agent: str, one: stacks.RunProcess) -> Path:
        return self.stack.home / "agents" / agent / "runs" / f"{one.flow_run_id}-{one.fence}"

    def _sleep(self, chosen: stacks.RunProcess, run: int, name: str) -> None:
        """Until another attempt has begun. The run's process wakes first, so that nobody stops it from writing."""
        agent = self.stack.agents[name].pid
        known = {pid: identity.start_time(pid) for pid in (run, chosen.supervisor, agent)}
        for pid in (agent, chosen.supervisor, run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + stacks.PATIENCE
        while time.monotonic() < deadline and not self._is_superseded(chosen):
            time.sleep(0.05)
        if self._is_superseded(chosen) and identity.start_time(run) == known[run]:
            self.outcome.woken.add(chosen.flow_run_id)
        for pid in (run, chosen.supervisor, agent):
            with contextlib.suppress(ProcessLookupError):
                if identity.start_time(pid) == known[pid]:
                    os.kill(pid, signal.SIGCONT)
            time.sleep(0.7)
        self._asleep = None
        self._has_woken.set()

    def _has_started(self, one: stacks.RunProcess) -> bool:
        said = [line for line in self._lines(one.flow_run_id) if line["fence"] == one.fence]
        return [line["what"] for line in said] == ["start"]

    def _is_superseded(self, chosen: stacks.RunProcess) -> bool:
        return any(line["fence"] > chosen.fence for line in self._lines(chosen.flow_run_id))

    def _lines(self, flow_run_id: str) -> list[dict[str, Any]]:
        path = self._folder / f"{flow_run_id}.lines"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    # --- keeping it up ---

    def _keep_up(self, seconds: float, done: Any) -> None:
        """Starts again what has ended, until it is done or the time is over."""
        deadline = time.monotonic() + seconds
        while not done():
            if self.stack.server is not None and self.stack.server.poll() is not None:
                self.stack.start_server(wait=False)
            for name, agent in self.stack.agents.items():
                if agent.poll() is not None:
                    self.stack.start_agent(name, limit=LIMIT)
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)

    def _is_over(self) -> bool:
        return len(self.outcome.acknowledged) == 2 * self._each and not self._left()

    def _left(self) -> list[str]:
        """Who has not ended; nobody knows while the server is away."""
        wanted = [str(kind) for kind in states.StateType if not kind.is_finished]
        request = runs.ListFlowRuns(project=PROJECT, state=wanted, limit=200)
        try:
            page = self.stack.api.call(operations.list_flow_runs, request, timeout=5, patience=0)
        except errors.HeadraceError as error:
            return [f"the server does not say: {error.message}"]
        return [f"{run.id} {run.state.name} {run.state.message}".rstrip() for run in page.items]

    # --- afterwards ---

    def _gather(self) -> None:
        """The server is ended first: SQLite's file is one process's."""
        assert self.stack.server is not None
        for agent in self.stack.agents.values():
            self.stack.end(agent)
        self.stack.end(self.stack.server)
        url = self.stack.database_url or f"sqlite:///{self.stack.home / 'server' / 'headrace.db'}"
        rows, events = asyncio.run(_read(url))
        self.outcome.rows = {str(row.id): row for row in rows}
        for event in events:
            self.outcome.events.setdefault(str(event.flow_run_id), []).append(event)
        self.outcome.lines = {run: self._lines(run) for run in self.outcome.acknowledged}


async def _read(url: str) -> tuple[list[Any], list[Any]]:
    database = databases.Database.open(url)
    try:
        return await database.read(_all)
    finally:
        await database.close()


def _all(connection: sa.Connection, now: datetime) -> tuple[list[Any], list[Any]]:
    history = sa.select(tables.run_events).order_by(tables.run_events.c.flow_run_id, tables.run_events.c.seq)
    return list(connection.execute(sa.select(tables.flow_runs))), list(connection.execute(history))


# --- what must be true ---


def violations(outcome: Outcome) -> list[str]:
    """Every promise that was broken, in a sentence with the run's id."""
    found = [f"{run} was acknowledged and is lost" for run in outcome.acknowledged if run not in outcome.rows]
    found += [
        f"{run} was made and not acknowledged" for run in outcome.rows if run not in outcome.acknowledged
    ]
    for run, row in outcome.rows.items():
        found += [
            f"{run}: {problem}" for problem in (*folds.problems(row, outcome.events[run]), *_of_end(row))
        ]
        found += [f"{run}: {problem}" for problem in _of_executions(outcome, run, row)]
    return found


def _of_end(row: Any) -> Iterator[str]:
    if not states.StateType(row.state_type).is_finished:
        yield f"it had not ended {BOUND:g} s after the last fault: {row.state_type} {row.state_message}"


def _of_executions(outcome: Outcome, run: str, row: Any) -> Iterator[str]:
    """What the probe saw, against what the server says and what was done here."""
    lines = outcome.lines.get(run, [])
    starts = [line["fence"] for line in lines if line["what"] == "start"]
    if len(set(starts)) != len(starts):
        yield f"one attempt was executed twice: fences {starts}"
    if row.on_lost == "crash" and len(starts) > 1:
        yield f"it runs at most once, and was executed {len(starts)} times"
    if run not in outcome.paused and any(line["what"] == "overlap" for line in lines):
        yield f"two executions at a time: {lines}"
    if row.state_type == "Crashed" and not outcome.struck.get(run):
        yield f"it crashed and nobody killed it: {row.state_message}"
    if row.state_type == "Crashed" and run in outcome.paused:
        history = [
            f"{event.at:%H:%M:%S.%f} {event.state_name} {event.state_message}"
            for event in outcome.events[run]
        ]
        yield f"it was only paused, and crashed: {row.state_message} Its history: {history}; it wrote {lines}"
    if row.state_type not in ("Success", "Crashed"):
        yield f"it ended as {row.state_type}: {row.state_message}"
    if row.state_type == "Success":
        at = next(event.at for event in outcome.events[run] if event.state_type == "Success").timestamp()
        done = {line["fence"] for line in lines if line["what"] == "stop" and line["at"] <= at}
        # an attempt that found the result of an earlier one has not executed anything
        if not done or (row.fence in starts and row.fence not in done):
            yield f"it succeeded at {at:.3f} before its attempt {row.fence} was done: {lines}"


def successes(outcome: Outcome, mode: str) -> float:
    """Which part of the runs of this mode succeeded."""
    of_mode = [row for run, row in outcome.rows.items() if outcome.acknowledged[run] == mode]
    return sum(row.state_type == "Success" for row in of_mode) / len(of_mode)
