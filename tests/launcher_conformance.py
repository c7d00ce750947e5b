"""What runs may rely on wherever an agent launches them: the same launches as processes, in containers and as Jobs.

A stage makes a class of its own from `Launches`, whose name begins with Test, and a fixture `ground`.
"""

from typing import Any, Protocol

from headrace.wire import agents, operations, run_configs, runs
from stack import Stack


class Ground(Protocol):
    """An installation with one agent, and the flows adds(a, b), waits(seconds) and leaves(code) for it."""

    stack: Stack

    @property
    def agent(self) -> str:
        """The agent's name."""
        ...

    def start_agent(self) -> None:
        """Once more: after it was killed."""
        ...

    def run(self, flow: str, config: Any = None, **parameters: Any) -> runs.FlowRun: ...

    def ended(self, run: runs.FlowRun, seconds: float = ...) -> tuple[str, str, str]:
        """State, code and message at the run's end."""
        ...

    def is_cleared(self, run: runs.FlowRun) -> bool:
        """Whether nothing of it is left where it ran."""
        ...


class Launches:
    """The suite."""

    def test_a_run_succeeds_and_leaves_nothing_but_what_it_wrote(self, ground: Ground) -> None:
        run = ground.run("adds", a=20, b=22)
        assert ground.ended(run, 60)[0] == "Success"
        ground.stack.until(lambda: ground.is_cleared(run), "nothing is left where it ran")
        folder = ground.stack.home / "agents" / ground.agent
        ground.stack.until(lambda: not list((folder / "runs").glob(f"{run.id}-*")), "its directory is gone")
        ground.stack.until(lambda: not list((folder / "journal").glob(f"{run.id}-*")), "it is forgotten")
        written = folder / "output" / f"{run.id}-{run.fence + 1}.log"
        assert "the sum is made" in written.read_text()
        assert written.stat().st_mode & 0o777 == 0o600

    def test_several_runs_at_once(self, ground: Ground) -> None:
        made = [ground.run("adds", a=number, b=number) for number in range(3)]
        assert [ground.ended(run, 90)[0] for run in made] == ["Success"] * 3

    def test_the_agents_page_says_how_it_launches(self, ground: Ground) -> None:
        listed = ground.stack.api.call(operations.list_agents, agents.ListAgents()).items
        found = next(agent for agent in listed if agent.name == ground.agent)
        run = ground.run("adds")
        assert found.launches == [run_configs.kind(run.run_config)]
        assert found.health == "healthy"

    def test_a_run_of_another_kind_waits_for_another_agent(self, ground: Ground) -> None:
        own = run_configs.kind(ground.run("adds").run_config)
        config = run_configs.LocalRun() if own == "docker" else run_configs.DockerRun(image="x")
        run = ground.run("adds", config)
        assert run.waits is not None
        assert run.waits.code == "no_launcher"
        ground.stack.api.cancel_flow_run(run.id)

    def test_an_exit_code_is_the_reason(self, ground: Ground) -> None:
        state, code, message = ground.ended(ground.run("leaves", code=3))
        assert (state, code) == ("Crashed", "exit_code")
        assert "exit code 3" in message

    def test_a_cancelled_run_ends_and_is_cleared_away(self, ground: Ground) -> None:
        run = ground.run("waits")
        _until_running(ground, run)
        ground.stack.api.cancel_flow_run(run.id)
        assert ground.ended(run)[0] == "Cancelled"
        ground.stack.until(lambda: ground.is_cleared(run), "nothing is left where it ran")

    def test_an_agent_that_was_killed_takes_its_runs_over(self, ground: Ground) -> None:
        stack = ground.stack
        long, short = ground.run("waits", seconds=12.0), ground.run("waits", seconds=1.0)
        for run in (long, short):
            _until_running(ground, run)
        stack.kill(stack.agents.pop(ground.agent))
        stack.until(lambda: _state(ground, short) == "Success", "it ends without its agent")
        ground.start_agent()
        stack.until(lambda: ground.is_cleared(short), "what has ended meanwhile is cleared away")
        assert ground.ended(long, 60)[0] == "Success"
        assert stack.api.read_flow_run(long.id).attempt == 1
        stack.until(lambda: ground.is_cleared(long), "nothing is left where it ran")

    def test_an_agent_that_is_told_to_end_leaves_its_runs_to_the_next_start(self, ground: Ground) -> None:
        stack = ground.stack
        run = ground.run("waits", seconds=8.0)
        _until_running(ground, run)
        assert stack.end(stack.agents.pop(ground.agent)) == 0
        assert _state(ground, run) == "Running"
        ground.start_agent()
        assert ground.ended(run, 60)[0] == "Success"


def _until_running(ground: Ground, run: runs.FlowRun) -> None:
    ground.stack.until(lambda: _state(ground, run) == "Running", "it runs")


def _state(ground: Ground, run: runs.FlowRun) -> str:
    return ground.stack.api.read_flow_run(run.id).state.type.value
