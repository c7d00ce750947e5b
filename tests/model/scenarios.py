"""Short plays with a known outcome, each about one thing that could go wrong. They hold with the real code; each planted
bug breaks one of them, which is what makes them the short version of the search that the machine does.
"""

from collections.abc import Callable

from headrace.core.states import StateType
from model import plays
from model.network import Fate
from model.world import MOST_RUNS, World

MODES = ("crash", "reschedule")


def a_cancelled_run_never_starts(world: World) -> None:
    for mode in MODES:
        process = plays.claimed(world, mode)
        world.cancel(process.run_id)
        process.start()
        plays.rogue(world, process.run_id, 2)
        assert not process.begun


def a_process_ends_before_another_begins(world: World) -> None:
    """Its last heartbeat arrived at once and was answered late."""
    process = plays.running(world, "reschedule")
    process.beat(Fate("slow", 0))
    world.agents[0].kill()
    world.pass_time(29)
    world.sweep()
    assert plays.again(world, 1) is not None
    assert process.gone


def servers_die_at_every_statement(world: World) -> None:
    for number in range(14):
        fate = Fate("crash", number)
        world.create("reschedule", fate=fate)
        if world.agents[0].held or world.agents[0].claim(fate):
            world.agents[0].advance("Starting", fate)
            world.agents[0].launch()
        for process in world.processes:
            process.start(fate)
        world.pass_time(1)
    for process in world.processes:
        process.finish(StateType.FAILED, Fate("crash", 6))
        process.finish(StateType.FAILED)


def each_grant_has_its_own_fence(world: World) -> None:
    world.create("crash")
    for failed in (False, True):
        world.agents[0].claim()
        world.agents[0].give_back(failed=failed)


def a_late_report_changes_nothing(world: World) -> None:
    process = plays.zombie_run(world, "reschedule")
    process.thaw()
    world.network.deliver_late(0)
    assert world.row(process.run_id).state_type == "Running"


def a_late_heartbeat_renews_nobody_elses_lease(world: World) -> None:
    process = plays.running(world, "reschedule")
    process.beat(Fate("late"))
    world.agents[0].kill()
    world.pass_time(36)
    world.sweep()
    plays.again(world, 1)
    world.pass_time(2)
    world.network.deliver_late(0)


def one_key_makes_one_run(world: World) -> None:
    made = {world.create("crash", key="k1", server=number % 2) for number in range(3)}
    assert len(made) == 1


def two_servers_do_not_give_one_run_to_two_agents(world: World) -> None:
    world.create("reschedule")
    assert world.agents[0].claim(server=0) is not None
    assert world.agents[1].claim(server=1) is None


def nobody_makes_moves_of_his_own(world: World) -> None:
    started = plays.running(world, "crash")
    waiting = plays.claimed(world, "reschedule")
    done = plays.running(world, "reschedule")
    done.finish()
    world.create("crash")
    for run_id in sorted(world.before.runs):
        for number in range(12):
            plays.rogue(world, run_id, number, number % 2)
    assert world.row(started.run_id).state_type == "Running"
    assert world.row(waiting.run_id).state_type == "Submitted"


def nobody_is_rescued_before_the_grace_is_over(world: World) -> None:
    process = plays.running(world, "reschedule")
    world.agents[0].kill()
    world.pass_time(21)
    world.sweep()
    plays.again(world, 1)
    assert world.row(process.run_id).fence == process.held.fence


def a_repeated_request_has_one_effect(world: World) -> None:
    for mode in MODES:
        world.create(mode, fate=plays.LOST)
    for fate in (plays.LOST, Fate("torn"), Fate("twice")):
        world.agents[0].claim(fate)
    while world.agents[0].launch():
        pass
    for process in world.processes:
        process.start(plays.LOST)
        process.start()
        process.start()
        process.finish(StateType.FAILED, Fate("twice"))


def a_limit_is_kept(world: World) -> None:
    world.limit("crash", 1)
    for _ in range(3):
        world.create("crash")
    assert world.agents[0].claim() is not None
    assert world.agents[1].claim() is None
    world.agents[0].launch().start()
    plays.race_claim(world)


def a_process_that_hears_nothing_ends_itself(world: World) -> None:
    process = plays.running(world, "reschedule")
    world.agents[0].kill()
    world.pass_time(36)
    world.sweep()
    assert plays.again(world, 1) is not None
    assert process.gone


def what_was_never_heard_of_is_lost_too(world: World) -> None:
    for mode in MODES:
        plays.claimed(world, mode).kill()
        plays.running(world, mode).kill()
    world.agents[0].kill()
    world.settle()


def a_tick_makes_one_run(world: World) -> None:
    """Also where the run that was made ahead has been cancelled, and the schedule is changed then."""
    plays.scheduled(world, "reschedule")
    ahead = [row for row in world.before.runs.values() if row.due_at > world.clock.now]
    world.cancel(min(ahead, key=lambda row: row.due_at).id)
    world.reschedule(False)
    world.reschedule(True)
    world.pass_time(30)
    plays.stale_plan(world, 0)
    world.race_plan()


def who_lost_the_run_does_not_start_it(world: World) -> None:
    """Neither before nor after the other process has begun."""
    for mode in MODES:
        process = plays.zombie_launch(world, mode)
        process.start()
        assert not process.begun
        process = plays.claimed(world, mode)
        world.agents[0].kill()
        world.pass_time(21)
        world.sweep()
        world.agents[1].claim()
        process.start()
        assert not process.begun


def whose_run_was_taken_away_writes_nothing(world: World) -> None:
    process = plays.claimed(world, "reschedule")
    world.agents[0].kill()
    world.pass_time(21)
    world.sweep()
    process.start()
    assert world.row(process.run_id).state_name == "Rescued"


def a_start_that_was_accepted_long_ago_is_over(world: World) -> None:
    for mode in MODES:
        process = plays.zombie_start(world, mode)
        for _ in range(3):
            process.start()


def what_was_found_is_looked_at_again(world: World) -> None:
    """Both reapers have found it; it is heard of, and then they take it up."""
    process = plays.running(world, "reschedule")
    waiting = plays.claimed(world, "crash", agent=1)
    process.beat(Fate("late"))
    world.pass_time(36)
    for server in range(2):
        world.suspect(server)
    world.network.deliver_late(0)
    plays.again(world, 1)
    for server in range(2):
        world.sweep_suspects(server)
    waiting.start()


def rescues_come_to_an_end(world: World) -> None:
    world.create("reschedule")
    for number in range(5):
        world.agents[number % 2].claim()
        world.agents[number % 2].kill()
        world.pass_time(21)
        world.sweep(number % 2)
    assert world.row(world.run_ids[0]).state_type == "Crashed"


def the_first_run_hides_no_other(world: World) -> None:
    """I15, with a limit that is full for the first."""
    world.limit("crash", 1)
    for mode in ("crash", "crash", "reschedule"):
        world.create(mode)
    world.agents[0].claim()
    assert world.agents[1].claim() is not None
    world.checker.starved(world.before, "nobody")


def both_agents_take_what_there_is(world: World) -> None:
    for _ in range(MOST_RUNS):
        world.create("crash")
    plays.race_claim(world)
    world.race_sweep()
    plays.race_claim(world)
    held = [held.flow_run_id for agent in world.agents for held in agent.held]
    assert len(held) == len(set(held)) >= 2


SCENARIOS: dict[str, Callable[[World], None]] = {
    play.__name__: play
    for play in list(globals().values())
    if callable(play) and getattr(play, "__module__", "") == __name__ and not play.__name__.startswith("_")
}


def run(world: World, name: str) -> None:
    """Plays one, and what comes when nothing goes wrong any more. Raises Violation."""
    world.begin()
    SCENARIOS[name](world)
    world.settle()
    world.checker.kept(world.before)
