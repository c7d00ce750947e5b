"""Plays: what several actors do in a row. Deep starts of the machine, and steps that are worth taking at once."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from lifecycles import CONTENT

from headrace import errors
from headrace.core.states import StateType
from headrace.server import firings
from headrace.server.loops import scheduler
from headrace.wire import operations, runs
from model.invariants import Act, Violation
from model.network import Fate, Message
from model.world import World

LOST = Fate("unanswered")


def claimed(world: World, mode: str, agent: int = 0, server: int = 0) -> Any:
    """A process that has been launched and has not started."""
    world.create(mode)
    world.agents[agent].claim(server=server)
    return world.agents[agent].launch()


def running(world: World, mode: str, agent: int = 0, server: int = 0) -> Any:
    """A process that executes user code."""
    process = claimed(world, mode, agent, server)
    process.start()
    return process


def again(world: World, agent: int, server: int = 0) -> Any:
    """Another agent takes what can be taken, and starts it."""
    actor = world.agents[agent]
    if actor.claim(server=server) is None:
        return None
    process = actor.launch(len(actor.held) - 1)
    process.start()
    return process


def work(world: World, agent: int, server: int) -> None:
    """A run from its claim to its end, and nothing goes wrong; I15 on the way."""
    actor = world.agents[agent]
    if len(world.processes) >= 20 or actor._claim is not None:
        return
    if actor.claim(server=server) is None:
        world.checker.starved(world.before, f"a claim of agent {agent}")
        return
    process = actor.launch(len(actor.held) - 1)
    process.start(server=server)
    process.beat(server=server)
    process.finish(server=server)


def take_over(world: World, agent: int, server: int) -> None:
    """What is lost is found at once, and somebody else begins."""
    world.sweep(server)
    if len(world.processes) < 20 and world.agents[agent]._claim is None:
        again(world, agent, server)


def zombie_launch(world: World, mode: str) -> Any:
    """Launched, and held up so long that another has got the run."""
    process = claimed(world, mode)
    world.agents[0].kill()
    world.pass_time(21)
    world.sweep()
    again(world, 1)
    return process


def zombie_start(world: World, mode: str) -> Any:
    """Its start was accepted and the answer lost; then it was held up."""
    process = claimed(world, mode)
    process.start(LOST)
    world.agents[0].kill()
    world.pass_time(36)
    world.sweep()
    again(world, 1)
    return process


def zombie_run(world: World, mode: str) -> Any:
    """Stopped with its supervisor while it executed, until another attempt might run."""
    process = running(world, mode)
    process.freeze()
    world.pass_time(36)
    world.sweep()
    again(world, 1)
    return process


def partitioned(world: World, mode: str) -> Any:
    """Executed, and nobody has heard of it since a heartbeat that was answered late; its lease and grace are just over."""
    process = running(world, mode)
    process.beat(Fate("slow", 0))
    world.agents[0].kill()
    world.pass_time(29)
    return process


def lease_over(world: World, mode: str) -> Any:
    """Executes, and its lease has just ended; its grace has not."""
    process = running(world, mode)
    world.agents[0].kill()
    world.pass_time(21)
    return process


def one_snapshot(world: World, mode: str) -> None:
    """Both reapers have found the run, and its process is heard of before they take it up."""
    process = running(world, mode)
    world.pass_time(14)
    process.beat(Fate("late"))
    world.agents[0].kill()
    world.pass_time(22)
    for server in range(2):
        world.suspect(server)


def scheduled(world: World, mode: str) -> None:
    world.schedule()
    world.plan()
    world.pass_time(60)
    world.plan(1)
    again(world, 0)


def queue(world: World, mode: str) -> None:
    for _ in range(3):
        world.create(mode)


STARTS: dict[str, Callable[[World, str], Any]] = {
    "nothing": lambda world, mode: None,
    "claimed": claimed,
    "running": running,
    "zombie launch": zombie_launch,
    "zombie start": zombie_start,
    "zombie run": zombie_run,
    "partitioned": partitioned,
    "lease over": lease_over,
    "two sweepers with one snapshot": one_snapshot,
    "a schedule": scheduled,
    "a queue": queue,
}


def rogue(world: World, run_id: UUID, number: int, server: int = 0) -> None:
    """Writes with a fence that is not the run's, or what makes no sense in its state; by a client that cares for nothing."""
    row = world.row(run_id)
    fence = row.fence + (-1, 1, 0)[number % 3]
    senseless = {"Submitted": 0, "Running": 1, "Scheduled": 2, "Paused": 2}.get(row.state_type, 2)
    kind = number // 3 if fence != row.fence else 4 + senseless
    as_run, as_agent = world.as_.run(run_id, fence), world.as_.agent
    finish = runs.FinishFlowRun(flow_run_id=run_id, fence=fence, type=StateType.SUCCESS, name="Success")
    start = runs.StartFlowRun(
        flow_run_id=run_id, fence=fence, content_sha256=CONTENT, host="elsewhere", pid=1
    )
    advance = runs.AdvanceFlowRun(flow_run_id=run_id, fence=fence, name="Starting")
    release = runs.ReleaseFlowRun(flow_run_id=run_id, fence=fence, reason="to see what happens")
    ways: list[list[Message]] = [
        [Message(operations.start_flow_run, start, as_run)],
        [Message(operations.finish_flow_run, finish, as_run)],
        [
            Message(
                operations.heartbeat_flow_run, runs.HeartbeatFlowRun(flow_run_id=run_id, fence=fence), as_run
            )
        ],
        [
            Message(operations.advance_flow_run, advance, as_agent),
            Message(operations.release_flow_run, release, as_agent),
        ],
        [Message(operations.finish_flow_run, finish, as_run)],
        [
            Message(operations.advance_flow_run, advance, as_agent),
            Message(operations.release_flow_run, release, as_agent),
            Message(operations.start_flow_run, start, as_run),
        ],
        [
            Message(operations.start_flow_run, start, as_run),
            Message(operations.finish_flow_run, finish, as_run),
            Message(operations.advance_flow_run, advance, as_agent),
        ],
    ]
    for message in ways[kind]:
        with contextlib.suppress(errors.HeadraceError):
            world.perform(message._replace(request_id=world.new_id()), server)


def race_claim(world: World) -> None:
    """Both agents ask at the same moment, each another server."""
    messages = [
        Message(
            operations.claim_flow_run,
            runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=0),
            world.as_.agent,
            world.new_id(),
        )
        for agent in world.agents
    ]

    async def both() -> list[Any]:
        calls = (
            world.services[number].call(
                message.operation, message.request, message.caller, message.request_id
            )
            for number, message in enumerate(messages)
        )
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = world.run(both())
    world.observe(Act("claim_flow_run", None, None, "service_account"))
    for agent, message, answer in zip(world.agents, messages, answers, strict=True):
        if isinstance(answer, errors.HeadraceError):
            continue
        if isinstance(answer, BaseException):
            raise Violation("I0", f"a claim failed inside: {answer!r}") from answer
        world.checker.answered(message, answer)
        if answer.assignment is not None:
            agent.held.append(answer.assignment)


def stale_plan(world: World, server: int) -> None:
    """Both schedulers have looked at the same rows; the second writes what it found before the first wrote."""

    def rows(call: Any) -> Any:
        return call.connection.execute(scheduler._due, {"moment": call.now, "past": 0}).all()

    service = world.services[server]
    now = world.clock.now
    found = [firings.look(row, now) for row in world.run(service.read(rows))]
    if found:
        for number in (server, 1 - server):
            writing = world.services[number]
            world._loop("scheduler", lambda writing=writing: scheduler._written(writing, found, firings.make))
