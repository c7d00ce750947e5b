"""Why a run waits, and why it ended: every code there is, with its sentence and what can be done about it.

A code is for machines and stays; a sentence is for people and may get better. `python -m headrace.core.reasons` prints the
reference.
"""

import enum
import re
import sys

import msgspec

from headrace.core.states import Reason


class When(enum.StrEnum):
    """What a code speaks of: a run that has not ended, or the end of one."""

    WAITS = "waits"
    ENDS = "ends"


class Code(msgspec.Struct, frozen=True):
    """One reason. `sentence` has places for what it is about; `advice` says what to do next, where something can be done."""

    name: str
    when: When
    sentence: str
    advice: str = ""


_W, _E = When.WAITS, When.ENDS

#: In the order in which they are asked for.
CODES: tuple[Code, ...] = (
    # nothing can start yet
    Code(
        "everything_paused",
        _W,
        "Everything is paused: when it is resumed, the run starts.",
        "Ask who paused it (`headrace world`); an administrator resumes it with `headrace world resume`.",
    ),
    Code(
        "flow_paused",
        _W,
        "The flow {flow} is paused: resume it, and the run starts.",
        "Resume the flow, on its page or with `headrace api update-flow --paused false`.",
    ),
    Code(
        "flow_archived",
        _W,
        "The flow {flow} is archived: register it again, and the run starts.",
        "Register the flow again, or cancel the run.",
    ),
    Code("awaiting_retry", _W, "It failed and is tried again at {at}."),
    Code("not_due", _W, "It is due at {at}."),
    # a limit
    Code(
        "limit_full",
        _W,
        "The limit of the {limit} is {size} and full: {holders}.",
        "Wait for one of the holders, cancel one, or make the limit larger (`headrace limits set`).",
    ),
    Code(
        "limit_stopped",
        _W,
        "The limit of the {limit} is 0: nothing of it starts.",
        "Make the limit larger than 0, or delete it.",
    ),
    # an agent
    Code("starting", _W, "An agent is about to take it."),
    Code(
        "no_agent",
        _W,
        "No agent is connected: start one with `headrace agent`.",
        "Start an agent, or look why the ones you have cannot reach the server.",
    ),
    Code(
        "no_launcher",
        _W,
        "No connected agent launches {kind} runs: {offered}.",
        "Start an agent of that kind, or give the run another run config.",
    ),
    Code(
        "unlabelled",
        _W,
        "The run has no labels and no connected agent takes runs without labels ({agents}): give the run labels.",
        "Give the flow or the run labels, or start an agent that takes runs without labels.",
    ),
    Code(
        "labels_missing",
        _W,
        "No connected agent has all labels of the run: the closest, {closest}, lacks {labels}.",
        "Start an agent with these labels, or take them from the run.",
    ),
    Code(
        "agents_draining",
        _W,
        "The agents that take it are stopping: {agents}.",
        "Start another agent.",
    ),
    Code(
        "agents_late",
        _W,
        "The agents that take it have not been heard of for a while: {agents}.",
        "Look at these agents' logs and their network.",
    ),
    Code(
        "agents_busy",
        _W,
        "It waits for its turn at {agents}.",
        "Wait, start another agent, or let one hold more runs at once (`--limit`).",
    ),
    # in somebody's hands
    Code("launching", _W, "The agent {agent} is launching it: {step}."),
    Code(
        "paused",
        _W,
        "It waits for somebody to approve it.",
        "Approve it, on its page or with `headrace resume`, or reject it.",
    ),
    Code(
        "held",
        _W,
        "{who} has paused it: when it is resumed, it goes on.",
        "Resume it, on its page or with `headrace resume`, or cancel it.",
    ),
    Code("cancelling", _W, "It has been told to stop and has not yet stopped."),
    # it failed
    Code(
        "task_failed",
        _E,
        "task '{task}' failed: {why}",
        "Read the task's logs; run the flow again when the cause is gone.",
    ),
    Code(
        "timed_out",
        _E,
        "it ran longer than its timeout of {seconds:g} s",
        "Make the flow's timeout longer, or find what took the time.",
    ),
    Code(
        "pause_timed_out",
        _E,
        "nobody has approved it since {since}",
        "Run it again, with a longer time-out or without one.",
    ),
    Code(
        "flow_failed",
        _E,
        "{why}",
        "Read the run's logs: the flow's own code, a hook or what it returns raised an exception.",
    ),
    Code(
        "import_failed",
        _E,
        "{why}",
        "Install what the flow needs where it runs, with the same Python, and register it again.",
    ),
    # its process was not there to say so
    Code(
        "storage_unreachable",
        _E,
        "{why}",
        "Look whether the flow's storage is there and can be read where the run was launched; then run it again.",
    ),
    Code(
        "storage_refused",
        _E,
        "{why}",
        "Set the storage's credential in the environment of the agent, and look whether it is still good and may read there.",
    ),
    Code(
        "storage_unknown",
        _E,
        "{why}",
        "Install the package of the flow's storage where the run was launched.",
    ),
    Code(
        "content_missing",
        _E,
        "{why}",
        "Register the flow again, and look who deletes from its storage.",
    ),
    Code(
        "content_mismatch",
        _E,
        "{why}",
        "Register the flow again, and look who can write to its storage.",
    ),
    Code(
        "launch_failed",
        _E,
        "{why}",
        "Read the agent's log: it could not start the run where it should.",
    ),
    # an agent that launches containers and pods knows more
    Code(
        "not_admitted",
        _E,
        "{why}",
        "Change the run config, or ask the agent's operator for a wider policy file.",
    ),
    Code(
        "image_missing",
        _E,
        "{why}",
        "Look whether the image's name is right and whether it can be pulled where the run is launched.",
    ),
    Code(
        "image_without_headrace",
        _E,
        "{why}",
        "Install headrace in the image, for the `python3` that is first on its PATH.",
    ),
    Code(
        "program_missing",
        _E,
        "{why}",
        "Use an image with a `python3` on its PATH.",
    ),
    Code(
        "wrong_architecture",
        _E,
        "{why}",
        "Build the image for the machine's architecture, or run it elsewhere.",
    ),
    Code(
        "name_clash",
        _E,
        "{why}",
        "Remove what has the name; then run it again.",
    ),
    Code(
        "volume_missing",
        _E,
        "{why}",
        "Make what is to be mounted where the run is launched, or change the run config's volumes.",
    ),
    Code(
        "no_device",
        _E,
        "{why}",
        "Ask for no GPUs, or run it where there are some that containers can use.",
    ),
    Code(
        "engine_down",
        _E,
        "{why}",
        "Start the container engine, and look whether the agent's user may use it.",
    ),
    Code(
        "engine_restarted",
        _E,
        "{why}",
        "Run it again; `on_lost='reschedule'` starts such runs again by itself.",
    ),
    Code(
        "stopped",
        _E,
        "{why}",
        "Look who stops containers and pods there, by hand or with the machine.",
    ),
    Code(
        "removed",
        _E,
        "{why}",
        "Look who removes containers and pods there.",
    ),
    Code(
        "unschedulable",
        _E,
        "{why}",
        "Ask for less, select other nodes, or add a node that has what the run asks for.",
    ),
    Code(
        "quota_full",
        _E,
        "{why}",
        "Wait for other pods of the namespace to end, ask for less, or raise the namespace's quota.",
    ),
    Code(
        "cluster_refused",
        _E,
        "{why}",
        "Give the agent's service account the rights of deploy/kubernetes, or the agent a token that is still good.",
    ),
    Code(
        "pod_refused",
        _E,
        "{why}",
        "Change the run config or the agent's job template so that the cluster admits its pods.",
    ),
    Code(
        "evicted",
        _E,
        "{why}",
        "Ask for the memory and disk that the run needs; `on_lost='reschedule'` starts such runs again by itself.",
    ),
    Code(
        "job_deadline",
        _E,
        "{why}",
        "Give the run config a longer deadline, or none and the flow a timeout.",
    ),
    Code(
        "exit_code",
        _E,
        "the run's process ended with exit code {code} without a final report",
        "Look for what ends the process: `os._exit`, a crash in a native library, a shutdown of the machine.",
    ),
    Code(
        "killed",
        _E,
        "the run's process was ended by signal {signal} without a final report",
        "After signal 9 look for the machine's out-of-memory killer, and for who else may have killed it.",
    ),
    Code(
        "out_of_memory",
        _E,
        "the run's process needed more memory than it was given",
        "Give the run more memory, or let it work on less at a time.",
    ),
    Code(
        "vanished",
        _E,
        "the run's process ended without a final report",
        "Look at the agent's log and at the machine.",
    ),
    Code(
        "agent_gone",
        _E,
        "the agent that had claimed it is gone",
        "Look at the agent; the run had not begun and can be asked for again.",
    ),
    Code(
        "lost",
        _E,
        "nothing has been heard of its process since {since}",
        "Look whether the machine is on and reaches the server. `on_lost='reschedule'` starts such runs again.",
    ),
    # somebody wanted it so
    Code("cancelled", _E, "cancelled by {who}"),
    Code("rejected", _E, "rejected by {who}"),
    Code("marked", _E, "marked as {what} by {who}: {why}"),
    Code("deleted", _E, "{what} was deleted by {who}"),
    Code(
        "late_cancelled",
        _E,
        "it had not been started {seconds:g} s after its time, and then its flow's runs are cancelled",
        "Ask for the run again; look why it waited. `headrace flow set` says after how long runs are cancelled.",
    ),
    Code(
        "limit_cancelled",
        _E,
        "the limit of the {limit} is {size} and was full: it cancels new runs",
        "Ask for the run again later, make the limit larger, or let its runs wait (`--when-full queue`).",
    ),
)
BY_NAME: dict[str, Code] = {code.name: code for code in CODES}
#: What may be said of the end of a run.
ENDS = frozenset(code.name for code in CODES if code.when is When.ENDS)


def because(code: str, /, **about: object) -> Reason:
    """The reason with this code, in words about these things."""
    return Reason(code, BY_NAME[code].sentence.format(**about))


def told(code: str, why: str) -> Reason | None:
    """The reason that an agent names, in its own words; None for a code that has words already, or that is not known."""
    known = BY_NAME.get(code)
    speaks = known is not None and known.when is When.ENDS and known.sentence == "{why}"
    return Reason(code, why) if speaks and why else None


def as_markdown() -> str:
    """The whole reference, made from the table."""
    lines = [
        "# Reasons\n",
        "<!-- Made by `python -m headrace.core.reasons`; a test compares. -->\n",
        "A run that is not running says why, in a sentence and in a code that programs can rely on: `waits` of a run that",
        "has not ended, the `code` of its state of one that has. `headrace runs show` prints both, and",
        "`headrace runs --reason CODE` finds the runs that ended for a reason.\n",
        *_section("Why a run waits", When.WAITS),
        *_section("Why a run ended", When.ENDS),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, when: When) -> list[str]:
    return [
        f"## {title}\n",
        "| Code | Says | What to do |\n|---|---|---|",
        *(
            f"| `{code.name}` | {_places(code.sentence)} | {code.advice} |"
            for code in CODES
            if code.when is when
        ),
        "",
    ]


def _places(sentence: str) -> str:
    """The sentence with its places in capitals, as commands' help writes them."""
    if sentence == "{why}":
        return "(what happened, in its own words)"
    return re.sub(r"\{(\w+)[^}]*\}", lambda place: place[1].upper(), sentence)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
