"""The state machine of flow runs and task runs: facts in, a verdict out.

A `Transition` holds all facts about one proposed move, read in the transaction that would make it. Rules are asked in order
and the first with an opinion decides; each is named as the sentence it enforces. The server's policy is part of the
machine: `decide` may accept another state than the one proposed (a failure with retries left becomes a wait, a lost run
is rescued or crashes). The state to store is always the one in `Accept`.

`python -m headrace.core.transitions` prints the reference.
"""

import itertools
import sys
from datetime import datetime

import msgspec

from headrace.core import moves
from headrace.core import states as core_states
from headrace.core.moves import Actor as Actor
from headrace.core.moves import Effect as Effect
from headrace.core.moves import effects as effects
from headrace.core.states import State, StateType
from headrace.core.verdicts import RESCUES as RESCUES
from headrace.core.verdicts import SLOT_BACK_OFF as SLOT_BACK_OFF
from headrace.core.verdicts import Accept as Accept
from headrace.core.verdicts import OnLost as OnLost
from headrace.core.verdicts import Reject as Reject
from headrace.core.verdicts import Rule as Rule
from headrace.core.verdicts import Transition as Transition
from headrace.core.verdicts import Unchanged as Unchanged
from headrace.core.verdicts import Verdict as Verdict
from headrace.core.verdicts import Wait as Wait
from headrace.core.verdicts import rule as rule

ANY = frozenset(StateType)
NEW_OR_ANY = frozenset({None, *StateType})
FINISHED = core_states.FINISHED
SCHEDULED, SUBMITTED, RUNNING = StateType.SCHEDULED, StateType.SUBMITTED, StateType.RUNNING
PAUSED, CANCELLING, CANCELLED = StateType.PAUSED, StateType.CANCELLING, StateType.CANCELLED
SUCCESS, FAILED, CRASHED = StateType.SUCCESS, StateType.FAILED, StateType.CRASHED


@rule(NEW_OR_ANY, ANY)
def a_name_refines_its_type(t: Transition) -> Verdict | None:
    """People read the name, the rules read the type: an unknown name would be shown as it is."""
    if t.proposed.name not in core_states.NAMES[t.after]:
        known = ", ".join(core_states.NAMES[t.after])
        return Reject("unknown_name", f"{t.after} has no name {t.proposed.name!r}; it has {known}")
    return None


@rule({None}, {SCHEDULED})
def one_key_makes_one_run(t: Transition) -> Verdict | None:
    """The same idempotency key, or the same tick of a schedule, gives the run that is there."""
    return Unchanged("the run has been made already") if t.key_used else None


@rule(ANY, ANY)
def a_stale_fence_is_superseded(t: Transition) -> Verdict | None:
    """Whoever does not hold the current fence has lost the run to another attempt and may not write. A claim has none."""
    claim = t.before is SCHEDULED and t.after is SUBMITTED
    if t.actor not in (Actor.AGENT, Actor.RUN) or claim or t.fence == t.current_fence:
        return None
    return Reject("superseded", f"fence {t.fence} is not the run's current fence {t.current_fence}")


@rule(FINISHED, ANY)
def a_finished_run_stays_finished(t: Transition) -> Verdict | None:
    """A restart is a new run. A late result is kept as an event, a mark is shown beside the state."""
    if t.mark:
        return Unchanged("the run is finished: the mark is shown beside its state")
    if t.before is t.after:
        return Unchanged(f"the run is {t.before} already")
    return Reject("finished", f"the run is {t.before}: that does not change any more")


@rule(core_states.UNFINISHED, {SUCCESS, FAILED})
def a_mark_has_a_reason(t: Transition) -> Verdict | None:
    """Only a person overrules a run, and the history says why."""
    if t.mark and t.actor is Actor.USER and not t.mark_reason.strip():
        return Reject("reason_missing", "say why the run is marked as " + t.after)
    return None


@rule({RUNNING, CANCELLING}, {CANCELLED, CANCELLING})
def cancelling_a_running_run_waits_for_its_process(t: Transition) -> Verdict | None:
    """User code may be running: it is told to stop, and the state says so until it has."""
    if t.actor is not Actor.USER:
        return None
    return Unchanged("the run is being cancelled") if t.before is CANCELLING else _accept(t, CANCELLING)


@rule({SCHEDULED, SUBMITTED, PAUSED}, {CANCELLING})
def cancelling_an_unstarted_run_ends_it(t: Transition) -> Verdict | None:
    """No user code is running: the raised fence sees to it that none will."""
    return _accept(t, CANCELLED) if t.actor is Actor.USER else None


@rule({SUBMITTED}, {SUBMITTED})
def a_launch_goes_forward(t: Transition) -> Verdict | None:
    """Messages may arrive late; the shown step never goes back. What a step waits for may change."""
    if t.current is None or t.actor is not Actor.AGENT:
        return None
    name = t.current.name
    if t.proposed.name in itertools.takewhile(lambda step: step != name, core_states.NAMES[SUBMITTED]):
        return Reject("backwards", f"the launch has got to {name} already")
    if t.proposed.name == name and t.proposed.message not in ("", t.current.message):
        return _accept(t, SUBMITTED, name)  # the same step, and what it waits for now
    return None


@rule(core_states.UNFINISHED, ANY)
def asking_again_changes_nothing(t: Transition) -> Verdict | None:
    """A repeated message is no error, as long as its sender could have made the move."""
    same = t.current is not None and (t.current.type, t.current.name) == (t.after, t.proposed.name)
    if same and any(move.after is t.after and t.actor in move.actors for move in moves.FLOW_RUN_MOVES):
        return Unchanged(f"the run is {t.proposed.name} already")
    return None


@rule({RUNNING}, {FAILED})
def a_failure_with_retries_left_is_tried_again(t: Transition) -> Verdict | None:
    """The run reports; the server decides by the policy stored with the flow's version."""
    if t.actor is Actor.RUN and not t.mark and t.retries_used < t.retries_allowed:
        return _accept(t, SCHEDULED, "AwaitingRetry", due_at=t.now + t.retry_delay)
    return None


@rule({RUNNING}, {SCHEDULED})
def a_run_does_not_grant_itself_a_retry(t: Transition) -> Verdict | None:
    """It reports Failed; whether that is tried again is the server's decision."""
    if t.actor is Actor.RUN:
        return Reject("not_allowed", "report Failed: the server decides about retries")
    return None


@rule({SCHEDULED, SUBMITTED}, {CRASHED})
def what_may_have_run_since_a_backup_is_not_run_again(t: Transition) -> Verdict | None:
    """Mode crash: at most once. Who holds it since then is not in the database that was put back."""
    if t.actor is not Actor.REAPER or not (t.may_have_run or t.before is SCHEDULED):
        return None
    return _accept(t, CRASHED, "Lost") if t.would_repeat else Reject("not_lost", "the run may be started")


@rule({PAUSED, RUNNING}, {FAILED})
def a_time_out_ends_a_pause_and_a_run_that_does_not_keep_it(t: Transition) -> Verdict | None:
    """A run's own processes come first; one that is not heard of is lost, not late. A pause without one has no end."""
    if t.actor is not Actor.REAPER:
        return None
    if (end := t.times_out_at) is None or (t.before is RUNNING and t.lease_over):
        return Reject("not_allowed", "there is no time-out, or the run has not been heard of")
    return Wait(end, "the time is not over") if end > t.now else _accept(t, FAILED, "TimedOut")


@rule({SUBMITTED, RUNNING, CANCELLING}, ANY)
def a_live_lease_is_never_swept(t: Transition) -> Verdict | None:
    """The reaper may have looked a while ago: what counts is the lease when the move is made."""
    if t.actor is Actor.REAPER and not t.lease_over:
        return Reject("lease_alive", "the lease has been renewed")
    return None


@rule({RUNNING}, {SCHEDULED, CRASHED})
def a_run_that_may_not_repeat_is_lost_only_after_its_time(t: Transition) -> Verdict | None:
    """Mode crash: at most once. Its process may still be working and report, until contact was lost for long enough."""
    if t.actor is not Actor.REAPER or t.on_lost is not OnLost.CRASH:
        return None
    return (
        _accept(t, CRASHED, "Lost")
        if t.contact_lost
        else Reject("not_lost", "contact has not been lost for long enough")
    )


@rule({RUNNING}, {SCHEDULED, CRASHED})
def a_run_that_may_repeat_gets_its_grace(t: Transition) -> Verdict | None:
    """Mode reschedule: within lease and grace the supervisor ends the old process, so that two never overlap."""
    if t.actor is Actor.REAPER and not t.lease_and_grace_over:
        return Reject("not_lost", "the grace after the lease is not over")
    return None


@rule({SUBMITTED, RUNNING}, {SCHEDULED, CRASHED})
def a_lost_run_is_rescued_three_times(t: Transition) -> Verdict | None:
    """Where no user code has begun, or the flow allows a repetition; then it crashes, so that nothing is tried for ever."""
    if t.actor is not Actor.REAPER:
        return None
    return _accept(t, SCHEDULED, "Rescued") if t.may_be_rescued else _accept(t, CRASHED, "Lost")


@rule({SUBMITTED, RUNNING}, {CRASHED})
def an_exit_that_the_agent_sees_ends_or_rescues_the_run(t: Transition) -> Verdict | None:
    """The process is known to be gone: mode reschedule need not wait for the lease to start the run again."""
    if t.actor is not Actor.AGENT or not t.exit_seen:
        return None
    by_chance = t.proposed.name == CRASHED  # the other names tell of what would happen again
    repeat = by_chance and t.on_lost is OnLost.RESCHEDULE and t.may_be_rescued
    return _accept(t, SCHEDULED, "Rescued") if repeat else _accept(t, CRASHED)


@rule({RUNNING}, {CRASHED})
def an_agent_ends_only_what_it_saw_end(t: Transition) -> Verdict | None:
    """A run process reports by itself and outlives its agent: the agent's opinion is not enough."""
    if t.actor is Actor.AGENT:
        return Reject("not_allowed", "the run's process has not been seen to end")
    return None


@rule({CANCELLING}, {CANCELLED})
def a_cancelled_process_gets_its_grace(t: Transition) -> Verdict | None:
    """When nobody answers, the run is Cancelled once its process must be gone."""
    if t.actor is Actor.REAPER and not t.lease_and_grace_over:
        return Reject("not_lost", "the grace after the lease is not over")
    return None


@rule({SUBMITTED}, {SCHEDULED})
def an_agent_gives_back_what_it_has_not_started(t: Transition) -> Verdict | None:
    """Draining, or without capacity. When the run is due again is not the agent's to say."""
    return _accept(t, SCHEDULED, "Released") if t.actor is Actor.AGENT else None


@rule({PAUSED}, {SCHEDULED})
def a_resumed_run_says_so(t: Transition) -> Verdict | None:
    """The history tells a resumed pause from a retry."""
    return _accept(t, SCHEDULED, "Resumed", due_at=t.proposed.due_at) if t.actor is Actor.USER else None


@rule(NEW_OR_ANY, ANY)
def only_moves_in_the_table_are_made(t: Transition) -> Verdict | None:
    """What nobody has thought of is refused."""
    return _in_table(t, moves.FLOW_RUN_MOVES, t.before)


@rule({SCHEDULED, SUBMITTED}, {SUBMITTED, RUNNING})
def a_run_waits_for_its_start_time(t: Transition) -> Verdict | None:
    """The server's clock decides, never the agent's."""
    if t.due_at is not None and t.due_at > t.now:
        return Wait(t.due_at, "the start time is in the future")
    return None


@rule({SCHEDULED}, {SUBMITTED})
def a_run_goes_only_to_an_agent_that_matches(t: Transition) -> Verdict | None:
    """Labels and kind of run config; the run waits for another agent."""
    return Reject("no_match", t.mismatch) if t.mismatch else None


@rule({SCHEDULED}, {SUBMITTED})
def nothing_is_claimed_while_paused(t: Transition) -> Verdict | None:
    """One switch for the flow group, one for the world."""
    return Wait(None, t.paused) if t.paused else None


@rule({SCHEDULED}, {SUBMITTED})
def a_claim_takes_all_its_slots(t: Transition) -> Verdict | None:
    """A run without them is set aside until one is freed, and never blocks the head of the queue."""
    return None if t.slots_free else Wait(t.now + SLOT_BACK_OFF, "a concurrency slot is not free")


@rule({SUBMITTED}, {RUNNING})
def a_start_shows_token_and_content(t: Transition) -> Verdict | None:
    """Only then is anything unpickled: by the right process, and only what was registered."""
    if not t.token_valid:
        return Reject("token", "the run token is not this run's")
    if not t.content_matches:
        return Reject("content_mismatch", "the flow's content is not what was registered")
    return None


@rule(NEW_OR_ANY, ANY)
def the_servers_time_is_recorded(t: Transition) -> Verdict | None:
    """No decision and no history depends on another machine's clock."""
    return _accept(t, t.after, due_at=t.proposed.due_at if t.after is SCHEDULED else None)


FLOW_RUN_RULES: tuple[Rule, ...] = (
    a_name_refines_its_type,
    one_key_makes_one_run,
    a_stale_fence_is_superseded,
    a_finished_run_stays_finished,
    a_mark_has_a_reason,
    cancelling_a_running_run_waits_for_its_process,
    cancelling_an_unstarted_run_ends_it,
    a_launch_goes_forward,
    asking_again_changes_nothing,
    a_failure_with_retries_left_is_tried_again,
    a_run_does_not_grant_itself_a_retry,
    what_may_have_run_since_a_backup_is_not_run_again,
    a_time_out_ends_a_pause_and_a_run_that_does_not_keep_it,
    a_live_lease_is_never_swept,
    a_run_that_may_not_repeat_is_lost_only_after_its_time,
    a_run_that_may_repeat_gets_its_grace,
    a_lost_run_is_rescued_three_times,
    an_exit_that_the_agent_sees_ends_or_rescues_the_run,
    an_agent_ends_only_what_it_saw_end,
    a_cancelled_process_gets_its_grace,
    an_agent_gives_back_what_it_has_not_started,
    a_resumed_run_says_so,
    only_moves_in_the_table_are_made,
    a_run_waits_for_its_start_time,
    a_run_goes_only_to_an_agent_that_matches,
    nothing_is_claimed_while_paused,
    a_claim_takes_all_its_slots,
    a_start_shows_token_and_content,
    the_servers_time_is_recorded,
)


@rule(NEW_OR_ANY, ANY)
def only_the_run_process_speaks_for_its_tasks(t: Transition) -> Verdict | None:
    """Tasks have one reporter, so their history has one order."""
    return None if t.actor is Actor.RUN else Reject("not_allowed", f"a task run is not set by the {t.actor}")


@rule(NEW_OR_ANY, ANY)
def a_task_is_reported_under_the_current_fence(t: Transition) -> Verdict | None:
    """Reports of an attempt that was presumed dead change nothing."""
    if t.fence == t.current_fence:
        return None
    return Reject("superseded", f"fence {t.fence} is not the run's current fence {t.current_fence}")


@rule(NEW_OR_ANY, ANY)
def a_task_moves_only_while_its_flow_run_does(t: Transition) -> Verdict | None:
    """Running, or Cancelling: the process is then still there to say what became of its tasks."""
    if t.flow_run in (RUNNING, CANCELLING):
        return None
    return Reject("not_running", f"the flow run is {t.flow_run or 'unknown'}")


@rule(NEW_OR_ANY, ANY)
def a_task_name_refines_its_type(t: Transition) -> Verdict | None:
    """Submitted, Cancelling and Crashed are states of flow runs only."""
    known = moves.TASK_RUN_NAMES.get(t.after, ())
    if t.proposed.name in known:
        return None
    return Reject("unknown_name", f"a task run is never {t.after} with the name {t.proposed.name!r}")


@rule(ANY, ANY)
def a_new_attempt_may_set_any_task_again(t: Transition) -> Verdict | None:
    """Tasks run at least once across attempts: what an earlier attempt reported is history."""
    if t.state_fence is not None and t.state_fence < t.current_fence:
        return _retry_time_missing(t) or _in_table(t, moves.TASK_RUN_MOVES, None) or Accept(t.proposed)
    return None


@rule(ANY, ANY)
def reporting_a_task_again_changes_nothing(t: Transition) -> Verdict | None:
    """A repeated report is no error; a new time of a retry is news."""
    same = t.current is not None and msgspec.structs.replace(t.proposed, at=t.current.at) == t.current
    return Unchanged(f"the task run is {t.proposed.name} already") if same else None


@rule(FINISHED, ANY)
def a_finished_task_stays_finished(t: Transition) -> Verdict | None:
    """Within an attempt: a retry leaves Running, not Failed."""
    return Reject("finished", f"the task run is {t.before} already")


@rule(NEW_OR_ANY, {SCHEDULED})
def a_retry_has_a_time(t: Transition) -> Verdict | None:
    """Whoever looks at the run sees what it waits for."""
    return _retry_time_missing(t)


@rule(NEW_OR_ANY, ANY)
def only_task_moves_in_the_table_are_made(t: Transition) -> Verdict | None:
    """What nobody has thought of is refused."""
    return _in_table(t, moves.TASK_RUN_MOVES, t.before)


@rule(NEW_OR_ANY, ANY)
def a_task_is_shown_with_the_time_of_its_report(t: Transition) -> Verdict | None:
    """Batches arrive later than things happen; nothing is decided by these times."""
    return Accept(t.proposed)


TASK_RUN_RULES: tuple[Rule, ...] = (
    only_the_run_process_speaks_for_its_tasks,
    a_task_is_reported_under_the_current_fence,
    a_task_moves_only_while_its_flow_run_does,
    a_task_name_refines_its_type,
    a_new_attempt_may_set_any_task_again,
    reporting_a_task_again_changes_nothing,
    a_finished_task_stays_finished,
    a_retry_has_a_time,
    only_task_moves_in_the_table_are_made,
    a_task_is_shown_with_the_time_of_its_report,
)


def decide(transition: Transition, rules: tuple[Rule, ...] = FLOW_RUN_RULES) -> Verdict:
    """The verdict of the first rule with an opinion. The last one always has one."""
    for guard in rules:
        if transition.before in guard.before and transition.after in guard.after:
            verdict = guard.judge(transition)
            if verdict is not None:
                return verdict
    return Reject("not_allowed", "no rule allows this")


def _accept(
    t: Transition, kind: StateType, name: str | None = None, *, due_at: datetime | None = None
) -> Accept:
    """Another state than the one proposed keeps its message, and its name where that fits."""
    kept = t.proposed.name if kind is t.after else str(kind)
    return Accept(State(kind, name or kept, t.now, t.proposed.message, due_at, t.proposed.code))


def _retry_time_missing(t: Transition) -> Reject | None:
    if t.proposed.name == "Retrying" and t.proposed.due_at is None:
        return Reject("time_missing", "Retrying says when: give due_at")
    return None


def _in_table(t: Transition, table: tuple[moves.Move, ...], before: StateType | None) -> Reject | None:
    rows = moves.found(table, before, t.proposed, mark=t.mark)
    actors = sorted({actor for move in rows for actor in move.actors})
    if t.actor in actors:
        return None
    step = f"{before or 'nothing'} to {t.proposed.name}"
    who = f"only by {', '.join(actors)}, not by {t.actor}" if actors else "by nobody"
    return Reject("not_allowed", f"a run is moved from {step} {who}")


def as_markdown() -> str:
    """The whole reference, made from the tables and the rules."""
    lines = [
        "# States\n",
        "<!-- Made by `python -m headrace.core.transitions`; a test compares. -->\n",
        "## Names\n",
        "| Type | Names | Finished |\n|---|---|---|",
        *(
            f"| {kind} | {', '.join(names)} | {'yes' if kind.is_finished else ''} |"
            for kind, names in core_states.NAMES.items()
        ),
        "\n## Moves of a flow run\n",
        "Everything else is refused.\n",
        "| From | To | Who | When | In the same transaction |\n|---|---|---|---|---|",
        *(_row(move) for move in moves.FLOW_RUN_MOVES),
        "\n## Who moves a flow run\n",
        "U user, S scheduler, A agent, R run process, W reaper. A mark by a person (from any unfinished state to",
        "Success or Failed) is not repeated here.\n",
        *_grid(),
        "\n## Rules of a flow run\n",
        "The first one with an opinion decides.\n",
        *_numbered(FLOW_RUN_RULES),
        "\n## Moves of a task run\n",
        "Only by its run process. A task run that an earlier attempt left behind starts again from (new).\n",
        "| From | To |\n|---|---|",
        *(f"| {move.before or '(new)'} | {move.after} |" for move in moves.TASK_RUN_MOVES),
        "\n## Rules of a task run\n",
        *_numbered(TASK_RUN_RULES),
    ]
    return "\n".join(lines) + "\n"


def _row(move: moves.Move) -> str:
    after = f"{move.after} ({move.name})" if move.name and move.name != move.after else str(move.after)
    who = ", ".join(actor for actor in Actor if actor in move.actors)
    return f"| {move.before or '(new)'} | {after} | {who} | {move.when} | {', '.join(move.effects)} |"


def matrix() -> dict[tuple[StateType | None, StateType], frozenset[Actor]]:
    """Who may move a flow run from one type to another, marks aside."""
    found: dict[tuple[StateType | None, StateType], frozenset[Actor]] = {}
    for move in moves.FLOW_RUN_MOVES:
        if not move.mark:
            step = (move.before, move.after)
            found[step] = found.get(step, frozenset[Actor]()) | move.actors
    return found


def _grid() -> list[str]:
    who = matrix()
    initials = {Actor.REAPER: "W"}  # as R is the run's

    def cell(before: StateType | None, after: StateType) -> str:
        allowed = who.get((before, after), frozenset[Actor]())
        return " ".join(initials.get(actor, actor[0].upper()) for actor in Actor if actor in allowed)

    return [
        f"| From | {' | '.join(StateType)} |\n|---|{'---|' * len(StateType)}",
        *(
            f"| {before or '(new)'} | {' | '.join(cell(before, after) for after in StateType)} |"
            for before in (None, *(kind for kind in StateType if not kind.is_finished))
        ),
    ]


def _numbered(rules: tuple[Rule, ...]) -> list[str]:
    return [f"{number}. **{guard.sentence}.** {guard.why}" for number, guard in enumerate(rules, 1)]


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
