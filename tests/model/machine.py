"""The stateful machine: Hypothesis plays people, agents, processes, servers and the network against each other.

Nothing is drawn that depends on what the servers answered: arguments are numbers, and each rule makes of them what can be
done. So the same numbers are the same play, also where ids and the order of equal rows differ.
"""

from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from headrace.core.states import StateType
from model import plays
from model.invariants import Violation
from model.network import FATES, Fate
from model.world import World

NUMBERS = st.integers(0, 11)
SERVER = st.integers(0, 1)
AGENT = st.integers(0, 1)
#: Half of all messages meet no trouble.
FATE = st.builds(Fate, st.sampled_from((*["ok"] * len(FATES), *FATES[1:])), st.integers(0, 7))
MODES = st.sampled_from(("reschedule", "crash"))
ENDS = (StateType.SUCCESS, StateType.FAILED, StateType.PAUSED, StateType.SUCCESS)
STEPS = ("Submitting", "PullingImage", "Starting")


def machine(world: World) -> type[RuleBasedStateMachine]:
    """A machine over this world, which every example begins anew."""

    class Machine(_Machine):
        def __init__(self) -> None:
            super().__init__()
            self.world = world
            self.found = len(Violation.found)
            world.begin()

    return Machine


class _Machine(RuleBasedStateMachine):
    world: World
    #: How many violations there were before this example.
    found: int

    # --- deep starts ---

    @initialize(start=st.sampled_from(sorted(plays.STARTS)), mode=MODES, limited=st.booleans())
    def begin(self, start: str, mode: str, limited: bool) -> None:
        if limited:
            self.world.limit("reschedule", 1)
        plays.STARTS[start](self.world, mode)

    # --- people ---

    @rule(mode=MODES, key=st.sampled_from((None, "k1", "k2")), server=SERVER, fate=FATE)
    def somebody_asks_for_a_run(self, mode: str, key: str | None, server: int, fate: Fate) -> None:
        self.world.create(mode, key=key, server=server, fate=fate)

    @rule(number=NUMBERS, server=SERVER, fate=FATE)
    def somebody_cancels(self, number: int, server: int, fate: Fate) -> None:
        if run_id := _one(sorted(self.world.before.runs), number):
            self.world.cancel(run_id, server=server, fate=fate)

    @rule(number=NUMBERS, server=SERVER, fate=FATE)
    def somebody_resumes(self, number: int, server: int, fate: Fate) -> None:
        paused = [row.id for row in self.world.before.runs.values() if row.state_type == "Paused"]
        if run_id := _one(sorted(paused), number):
            self.world.resume(run_id, server=server, fate=fate)

    # --- agents and processes ---

    @rule(agent=AGENT, number=NUMBERS, server=SERVER, fate=FATE)
    def an_agent_acts(self, agent: int, number: int, server: int, fate: Fate) -> None:
        actor = self.world.agents[agent]
        if actor.outbox and number % 2:
            actor.tell(fate, server)
        elif actor.held and number < 6:
            actor.launch(number)
        elif actor.held and number < 8:
            actor.advance(STEPS[number % 3], fate, server)
        elif actor.held and number < 10:
            actor.give_back(failed=number == 9, fate=fate, server=server)
        elif len(self.world.processes) < 20:
            actor.claim(fate, server)

    @rule(agent=AGENT, server=SERVER)
    def an_agent_works(self, agent: int, server: int) -> None:
        plays.work(self.world, agent, server)

    @rule(agent=AGENT, server=SERVER)
    def an_agent_takes_over(self, agent: int, server: int) -> None:
        plays.take_over(self.world, agent, server)

    @rule(which=NUMBERS, number=NUMBERS, server=SERVER, fate=FATE)
    def a_process_acts(self, which: int, number: int, server: int, fate: Fate) -> None:
        if process := _one(self._there(), which):
            if process.asks:
                process.start(fate, server)
            elif process.ended or number < 6:
                process.finish(ENDS[number % len(ENDS)], fate, server)
            else:
                process.beat(fate, server)

    @rule(which=NUMBERS, what=st.sampled_from(("kill", "freeze", "thaw", "again")))
    def a_process_suffers(self, which: int, what: str) -> None:
        if process := _one(self._there(), which):
            match what:
                case "kill":
                    process.kill()
                case "freeze":
                    process.freeze()
                case "thaw":
                    process.thaw()
                case _:
                    process._agent.launch_again(process)

    @rule(agent=AGENT)
    def an_agent_is_killed(self, agent: int) -> None:
        self.world.agents[agent].kill()

    @rule(which=NUMBERS, number=NUMBERS, server=SERVER)
    def a_rogue_writes(self, which: int, number: int, server: int) -> None:
        if run_id := _one(sorted(self.world.before.runs), which):
            plays.rogue(self.world, run_id, number, server)

    @rule(number=NUMBERS)
    def a_late_message_arrives(self, number: int) -> None:
        self.world.network.deliver_late(number)

    # --- time and servers ---

    @rule(seconds=st.sampled_from((1, 3, 6, 10, 16, 21, 36, 130)))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(server=SERVER)
    def a_server_is_killed(self, server: int) -> None:
        self.world.restart_server(server)

    @rule(server=SERVER, seconds=st.sampled_from((0, 21, 36)))
    def a_reaper_sweeps(self, server: int, seconds: int) -> None:
        self.world.pass_time(seconds)
        self.world.sweep(server)

    @rule(server=SERVER)
    def a_reaper_looks(self, server: int) -> None:
        self.world.suspect(server)

    @rule(server=SERVER)
    def a_reaper_goes_on(self, server: int) -> None:
        self.world.sweep_suspects(server)

    @rule()
    def both_reapers_race(self) -> None:
        self.world.race_sweep()

    @rule(server=SERVER)
    def runs_are_let_go(self, server: int) -> None:
        self.world.let_go(server)

    @rule(server=SERVER, number=NUMBERS, fate=FATE)
    def the_schedule_is_looked_after(self, server: int, number: int, fate: Fate) -> None:
        if self.world.schedule_id is None:
            return
        match number % 4:
            case 0:
                self.world.reschedule(False, server=server, fate=fate)
                self.world.reschedule(True, server=server)
            case 1:
                self.world.race_plan()
            case 2:
                plays.stale_plan(self.world, server)
            case _:
                self.world.plan(server)

    @rule()
    def both_agents_claim_at_once(self) -> None:
        if len(self.world.processes) < 20:
            plays.race_claim(self.world)

    def teardown(self) -> None:
        """I8 and I11, once nothing goes wrong any more."""
        if len(Violation.found) > self.found:
            return
        self.world.settle()
        self.world.checker.kept(self.world.before)

    def _there(self) -> list[Any]:
        return [process for process in self.world.processes if not process.gone]


def _one(found: list[Any], number: int) -> Any:
    return found[number % len(found)] if found else None


def play(world: World, *, examples: int, steps: int, seed: int | None = None) -> None:
    """Plays so many examples. Without a seed always the same ones. Raises Violation with what was played."""
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=seed is None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    made = machine(world)
    if seed is not None:
        made = hypothesis.seed(seed)(made)
    hypothesis.stateful.run_state_machine_as_test(made, settings=settings)
