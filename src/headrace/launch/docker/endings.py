"""Why a container did not start, and how it ended, in words: from what the engine says of it."""

import dataclasses
import re
import signal
from datetime import datetime
from typing import Any

from headrace import errors, launch
from headrace.launch import directory as run_directory
from headrace.launch.docker.engine import EngineError

#: What engines say when they refuse, and the reason of the run. The first that fits.
_REFUSALS: tuple[tuple[str, str], ...] = (
    (r"is already in use by container", "name_clash"),
    (r"bind source path does not exist|no such volume|get .*: no such volume", "volume_missing"),
    (r"could not select device driver|unknown or invalid runtime|nvidia", "no_device"),
    (r"exec format error|does not match the specified platform", "wrong_architecture"),
    (r"executable file not found|exec: .*(no such file|permission denied)", "program_missing"),
    (r"no such image|pull access denied|manifest unknown", "image_missing"),
)
#: The same of what a container wrote that ended before the run began: none of it is the user's.
_WORDS: tuple[tuple[str, str], ...] = (
    (r"No module named '?headrace", "image_without_headrace"),
    (r"unknown option -P", "image_without_headrace"),
    (r"exec format error", "wrong_architecture"),
)
_SENTENCES = {
    "image_without_headrace": "the image {image} has no headrace for its `python3` (3.11 or newer)",
    "wrong_architecture": "the image {image} is of another architecture than this machine",
    "program_missing": "the image {image} has no `python3` on its PATH that can be started",
    "name_clash": "a container of this name is there already and is not this agent's",
    "no_device": "the engine has no GPU for the run",
    "volume_missing": "what is to be mounted is not there",
    "image_missing": "the image {image} is not there",
}

#: An engine that ends gives its containers so long.
SHUTDOWN_SECONDS = 20.0
RESTARTED = (
    "engine_restarted",
    "the container engine was stopped or restarted, and the run's container with it",
)
REMOVED = launch.Observation(
    launch.Phase.GONE, reason="The run's container was removed by somebody.", code="removed"
)


def not_started(error: EngineError, wanted: launch.Container) -> errors.LaunchError:
    """The engine refused to make the container or to start it."""
    reason = _found(_REFUSALS, str(error))
    if not reason:
        return errors.LaunchError(f"the container engine refuses: {error}.")
    return errors.LaunchError(f"{_sentence(reason, wanted.image)}: {error}.", reason=reason)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an end beside what the engine says.

    `said` is what the container wrote, if the run never `began`; `outage` when the engine was away; `told`: this agent has
    told the container to stop.
    """

    began: bool
    said: str
    outage: tuple[float, float]
    told: bool


def recorded(record: run_directory.ExitRecord, why: tuple[str, str] = ("", "")) -> launch.Observation:
    """The supervisor has said how it ended. `why` is a code and a sentence, where more is known."""
    code, sentence = why
    return launch.Observation(
        launch.Phase.EXITED,
        record.exit_code,
        sentence or record.reason,
        code,
        reported=record.reported,
        reporting=record.reporting,
    )


def ended(found: dict[str, Any], record: run_directory.ExitRecord | None, facts: Facts) -> launch.Observation:
    """Of an inspected container that does not run."""
    state: dict[str, Any] = found["State"]
    why = _why(found, facts, stopped=record.stopped if record is not None else True)
    if record is not None:
        return recorded(record, why)
    code, sentence = why
    number = _exit_code(int(state["ExitCode"]))
    if not sentence:
        how = f"was ended by {_signal(-number)}" if number < 0 else f"ended with exit code {number}"
        detail = f": {state['Error']}" if state.get("Error") else ""
        sentence = f"The run's container {how}{detail}."
    return launch.Observation(launch.Phase.EXITED, number, sentence, code)


def _why(found: dict[str, Any], facts: Facts, *, stopped: bool) -> tuple[str, str]:
    """A code and a sentence, where more is known than the exit code. `stopped`: somebody may have told it to stop."""
    state: dict[str, Any] = found["State"]
    if state.get("OOMKilled"):
        limit = int(found["HostConfig"].get("Memory") or 0)
        size = f"{limit / 2**20:.0f} MiB" if limit else "what the machine has"
        return "out_of_memory", f"the container was killed, for it needed more than {size}"
    if stopped and not facts.told:
        begin, end = facts.outage
        if begin - SHUTDOWN_SECONDS <= _seconds(state["FinishedAt"]) <= end + SHUTDOWN_SECONDS:
            return RESTARTED
        if int(state["ExitCode"]) == 0:
            return "stopped", "the container was told to stop, and not by its agent"
    if not facts.began:
        reason = _found(_WORDS, facts.said)
        last = (facts.said.strip().splitlines() or [f"exit code {state['ExitCode']}"])[-1][:500]
        image = str(found["Config"]["Image"])
        begun = _sentence(reason, image) if reason else "the container ended before the run began"
        return reason, f"{begun}: {last}"
    return "", ""


def _seconds(at: str) -> float:
    """Since 1970, of a time as the engine writes it, to the nanosecond."""
    return datetime.fromisoformat(at[:19] + "+00:00").timestamp()


def _exit_code(code: int) -> int:
    """As a process has it: containers say 128 and the signal."""
    return 128 - code if 128 < code < 128 + 65 else code


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _found(causes: tuple[tuple[str, str], ...], text: str) -> str:
    return next((reason for pattern, reason in causes if re.search(pattern, text, re.IGNORECASE)), "")


def _sentence(reason: str, image: str) -> str:
    return _SENTENCES[reason].format(image=image)
