"""What must be true after the faults, whatever they were; and the figures of how it went."""

import collections
from collections.abc import Iterator
from typing import Any

import folds
from headrace.core import states
from nemesis import faults, history, installation
from nemesis.nemesis import Outcome

#: Seconds by which two clocks that are read one after the other may differ here.
SLACK = 1.0
#: Seconds before a run is given up in which its holder must have been kept from saying that it lives.
BEFORE = sum(installation.TIMING[name] for name in ("lease", "grace", "lost_after")) + 15
#: Faults after which nobody can hear from an agent's runs, by what their targets end with: the agent's name.
SILENCING = ("pause_host", "cut_both", "cut_answers", "cut_requests", "storm")


def violations(outcome: Outcome) -> dict[str, list[str]]:
    """Every promise that was broken, by kind, in sentences with the run's id."""
    by_kind: dict[str, list[str]] = {
        "lost": list(_lost(outcome)),
        "stuck": list(outcome.stuck),
        "overlapping": [],
        "history": [],
        "order": list(history.violations(outcome.installed.history, outcome.events)),
        "ends": [],
        "other": [*outcome.load.problems, *outcome.faults.problems, *outcome.unexpected],
    }
    if outcome.doctor:
        by_kind["other"].append(f"the doctor is not content: {outcome.doctor}")
    for run, row in outcome.rows.items():
        by_kind["history"] += [f"{run}: {problem}" for problem in folds.problems(row, outcome.events[run])]
        for kind, look in (("overlapping", _executions), ("ends", _ends)):
            by_kind[kind] += [f"{run}: {sentence}" for sentence in look(outcome, run, row)]
    return by_kind


def _lost(outcome: Outcome) -> Iterator[str]:
    for run in outcome.load.made.keys() - outcome.rows.keys():
        yield f"{run} was acknowledged and is lost"
    for run in outcome.rows.keys() - outcome.load.made.keys():
        yield f"{run} was made, and nobody knows of it although everybody asked until they were told"


def _executions(outcome: Outcome, run: str, row: Any) -> Iterator[str]:
    """What the probe saw: at most one execution at a time, and in mode crash at most one at all."""
    lines = outcome.lines[run]
    starts = [line["fence"] for line in lines if line["what"] == "start"]
    if len(set(starts)) != len(starts):
        yield f"one attempt was executed twice: fences {starts}"
    if row.on_lost == "crash" and len(starts) > 1:
        yield f"it runs at most once, and was executed {len(starts)} times: {lines}"
    if any(line["what"] == "overlap" for line in lines) and (
        row.on_lost == "crash" or run not in outcome.faults.paused
    ):
        yield f"two executions at a time: {lines}"
    told = outcome.load.unstarted.get(run)
    if told is not None and any(line["what"] == "start" and line["steady"] > told for line in lines):
        yield "its code started after the answer that it was cancelled before its start"


def _ends(outcome: Outcome, run: str, row: Any) -> Iterator[str]:
    """Each end has its cause: code that was done, a kill, silence, or somebody's wish."""
    last = next(event for event in reversed(outcome.events[run]) if event.kind == "move")
    at = moment(outcome, last)
    match row.state_type:
        case "Success":
            done = [line for line in outcome.lines[run] if line["what"] == "stop"]
            if not any(line["steady"] <= at + SLACK for line in done):
                yield f"it succeeded at {at:.3f} before its code was done: {outcome.lines[run]}"
        case "Crashed":
            if run not in outcome.faults.struck and not _was_silenced(outcome, run, at):
                yield f"it crashed and nothing had happened to it: {row.state_message}"
        case "Cancelled":
            if run not in outcome.load.cancelled:
                yield f"it was cancelled, and nobody wanted it: {row.state_message}"
        case _:
            if states.StateType(row.state_type).is_finished:
                yield f"it ended as {row.state_type}: {row.state_message}"


def moment(outcome: Outcome, event: Any) -> float:
    """When it was written, on the monotonic clock of this machine."""
    clock = outcome.installed.clock
    shown: float = event.at.timestamp()
    return clock.moment(shown) if clock is not None else shown - outcome.between


def _was_silenced(outcome: Outcome, run: str, at: float) -> bool:
    """Whether something kept its agent's host from being heard, not long before."""
    agents = {grant.agent for grant in outcome.installed.history.grants if grant.run == run}
    return any(
        fault.kind in SILENCING
        and fault.target.split(" ")[-1] in (agents or {fault.target.split(" ")[-1]})
        and fault.overlaps(at - BEFORE, at)
        for fault in outcome.faults.hit
    )


def story(outcome: Outcome, run: str) -> Iterator[str]:
    """Everything that is known of a run, in the order of time, for who has to find out what went wrong."""
    told: list[tuple[float, str]] = []
    for event in outcome.events.get(run, ()):
        said = (
            f"history {event.seq} {event.kind}: {event.state_name}, fence {event.fence}, {event.actor_kind}"
        )
        told.append((moment(outcome, event), f"{said} {event.state_message}"))
    told += [
        (line["steady"], f"probe: {line['what']}, fence {line['fence']}, pid {line['pid']}")
        for line in outcome.lines.get(run, ())
    ]
    for one in outcome.installed.history.seen:
        if one.run == run:
            said = f"{one.what} asked at {one.asked:.3f} was told {one.name}, version {one.version}"
            told.append((one.told, said))
    agents = {grant.agent for grant in outcome.installed.history.grants if grant.run == run}
    for fault in outcome.faults.hit:
        name = fault.target.split(" ")[-1]
        if name in agents or name not in outcome.installed.agents:
            told.append(
                (fault.began, f"{fault.kind} of {fault.target} until {fault.healed:.3f} {run in fault.runs}")
            )
    first, last = (min(at for at, said in told if "history" in said), max(at for at, _ in told))
    for grant in outcome.installed.history.grants:
        if grant.run == run:
            yield f"attempt {grant.fence} by {grant.agent}"
    yield from (f"{at:.3f} {said}" for at, said in sorted(told) if first - 20 <= at <= last)


# --- figures ---


def recoveries(outcome: Outcome) -> dict[str, list[float]]:
    """Seconds from the end of each fault until what it hit worked again, by kind of fault.

    Of servers, the database, its clock and its disk: until a change that a user asked for afterwards was acknowledged. Of
    an agent and its network: until a request of its host was answered. Of a run: until its history went on. Counted where
    nothing else stood in the way meanwhile.
    """
    found: dict[str, list[float]] = collections.defaultdict(list)
    changes = sorted(outcome.load.acknowledged)
    for fault in outcome.faults.hit:
        if fault.kind in ("kill_run", "kill_supervisor"):
            ends = [moment(outcome, event) for event in outcome.events[fault.runs[0]]]
        elif (name := fault.target.split(" ")[-1]) in outcome.installed.agents:
            ends = outcome.installed.proxies[name].successes
        else:
            ends = [told for asked, told in changes if asked >= fault.healed]
        since = fault.began if fault.kind.startswith("kill_") and fault.runs else fault.healed
        later = [end for end in ends if end >= since]
        if later and not _is_disturbed(outcome, fault, since, min(later)):
            found[fault.kind].append(min(later) - since)
    return found


def _is_disturbed(outcome: Outcome, fault: faults.Fault, since: float, until: float) -> bool:
    """Whether something else stood in the way meanwhile: then the figure would say nothing of this fault."""
    own = fault.target.split(" ")[-1]
    return any(
        other is not fault
        and other.overlaps(since, until)
        and (
            own == other.target.split(" ")[-1] or other.target.split(" ")[-1] not in outcome.installed.agents
        )
        for other in outcome.faults.hit
        if other.kind not in ("kill_run", "kill_supervisor")
    )


def figures(outcome: Outcome, broken: dict[str, list[str]]) -> dict[str, Any]:
    """One line of the report."""
    hit = collections.Counter(fault.kind for fault in outcome.faults.hit)
    happened: collections.Counter[str] = collections.Counter()
    for between in outcome.installed.proxies.values():
        happened.update(between.happened)
    return {
        "seed": outcome.seed,
        "database": outcome.kind,
        "seconds": outcome.seconds,
        "quiet": round(outcome.quiet, 1),
        "faults": dict(sorted(hit.items())),
        "requests": dict(happened),
        "runs": len(outcome.rows),
        "ended": dict(collections.Counter(str(row.state_type) for row in outcome.rows.values())),
        "rescues": sum(row.rescues for row in outcome.rows.values()),
        "answers": len(outcome.installed.history.seen),
        "versions": history.versions(outcome.events),
        "overlaps_of_paused": sum(
            line["what"] == "overlap" for run in outcome.faults.paused for line in outcome.lines.get(run, ())
        ),
        "broken": {kind: len(sentences) for kind, sentences in broken.items()},
        "recoveries": {
            kind: [round(seconds, 3) for seconds in all_seconds]
            for kind, all_seconds in recoveries(outcome).items()
        },
        "without": outcome.installed.without,
    }
