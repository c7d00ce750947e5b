"""From a Job, its pod and what the cluster says of them to an observation in words. Pure."""

import dataclasses
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from headrace import launch
from headrace.launch import directory as run_directory
from headrace.launch.kubernetes import objects, templates

#: What kubelet says of a container that it will never start, whatever happens.
_HOPELESS_IMAGES = frozenset(("ErrImageNeverPull", "InvalidImageName"))
_IMAGE_TROUBLE = frozenset(("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"))
_NOT_STARTED = frozenset(("ContainerCannotRun", "StartError", "RunContainerError", "CreateContainerError"))
_VOLUME_TROUBLE = frozenset(("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedBinding"))
_EVICTIONS = frozenset(("Evicted", "Preempted", "Preempting", "TaintManagerEviction", "NodeShutdown"))
#: What a container's runtime says of a program that it could not start.
_STARTS = (
    ("exec format error", "wrong_architecture", "the image is built for another kind of machine"),
    ("executable file not found", "program_missing", "the image has no such program"),
    ("no such file or directory", "program_missing", "the image has no such program"),
    ("permission denied", "program_missing", "the image's program cannot be run by this user"),
)
#: How the server names where a launch is: volumes come before the image.
_BEFORE, _PULLING = "Submitting", "PullingImage"
#: The most of a container's last words that a sentence ends with.
_LAST_WORDS = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """All that is known of one workload.

    `job` and `pod` are as they were seen last; `job_gone` and `pod_gone` say that they are not there any more, `left` that the
    pod was deleted in good order. `events` are about the pod, or about the Job where there is no pod.
    """

    job: objects.Job | None = None
    job_gone: bool = False
    pod: objects.Pod | None = None
    pod_gone: bool = False
    left: bool = False
    events: tuple[objects.Event, ...] = ()


def observation(seen: Seen, now: datetime) -> launch.Observation:
    """What the workload does. One that waits for what will not come counts as gone."""
    pod = seen.pod
    if pod is None:
        return _without_pod(seen, now)
    state = _container(pod)
    if state.terminated is not None:
        return _ended(seen, pod, state.terminated, now)
    if seen.pod_gone or pod.status.phase in ("Failed", "Succeeded"):
        code, words = _taken_away(seen, pod, now) or ("", "")
        words = words or f"The pod {pod.metadata.name} ended without a word{_colon(pod.status.message)}"
        return launch.Observation(launch.Phase.GONE, reason=words, code=code)
    if state.running is not None:
        return launch.Observation(launch.Phase.RUNNING)
    return _pending(seen, pod, state.waiting or objects.Waiting())


def is_unseen_end(seen: Seen) -> bool:
    """Whether the run may go on where nobody sees it: its pod was taken out of the cluster's books and nobody has said
    that its container has ended, as when its node is cut off; or all of it went while nobody looked.
    """
    if seen.pod is None:
        return seen.job is None and seen.job_gone
    ready = _condition(seen.pod.status.conditions, "Ready")
    reachable = seen.left and ready is not None and ready.status == "True"
    return seen.pod_gone and _container(seen.pod).running is not None and not reachable


def has_run(pod: objects.Pod) -> bool:
    """Whether the run's container has begun."""
    state = _container(pod)
    return state.running is not None or state.terminated is not None


def is_over(pod: objects.Pod) -> bool:
    """Whether the run's container has ended."""
    return _container(pod).terminated is not None or pod.status.phase in ("Failed", "Succeeded")


# --- nothing runs yet ---


def _without_pod(seen: Seen, now: datetime) -> launch.Observation:
    if seen.job is None:
        if not seen.job_gone:
            return launch.Observation(launch.Phase.PENDING)
        words = "The run's Job is not in the cluster any more, and the agent has not seen it go."
        return launch.Observation(launch.Phase.GONE, reason=words, code="removed")
    name = seen.job.metadata.name
    if (deadline := _deadline(seen, now)) is not None:
        return launch.Observation(launch.Phase.GONE, reason=deadline[1], code=deadline[0])
    if seen.job_gone or seen.job.metadata.deletion_timestamp is not None:
        return launch.Observation(launch.Phase.GONE, reason=_deleted("Job", name), code="removed")
    words = _last(seen.events, {"FailedCreate"})
    if not words:
        return launch.Observation(launch.Phase.PENDING)
    if "exceeded quota" in words:
        return launch.Observation(
            launch.Phase.PENDING,
            reason=f"The namespace's quota admits no further pod: {_quota(words)}",
            code="quota_full",
            step=_BEFORE,
        )
    if "forbidden" in words or "denied the request" in words:
        return launch.Observation(
            launch.Phase.GONE, reason=f"The cluster refuses the pod: {words}", code="pod_refused"
        )
    return launch.Observation(
        launch.Phase.PENDING,
        reason=f"The cluster cannot make the pod: {words}",
        code="pod_refused",
        step=_BEFORE,
    )


def _pending(seen: Seen, pod: objects.Pod, waiting: objects.Waiting) -> launch.Observation:
    scheduled = _condition(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        words = scheduled.message or scheduled.reason
        missing = "persistentvolumeclaim" in words and "not found" in words
        code = "volume_missing" if missing else "unschedulable"
        return launch.Observation(
            launch.Phase.PENDING, reason=f"No node takes the pod: {words}", code=code, step=_BEFORE
        )
    if not pod.spec.node_name:
        return launch.Observation(launch.Phase.PENDING)
    words = waiting.message or waiting.reason
    if waiting.reason in _HOPELESS_IMAGES:
        return launch.Observation(
            launch.Phase.GONE, reason=f"The image {_image(pod)} is not there: {words}", code="image_missing"
        )
    if waiting.reason in _IMAGE_TROUBLE:
        # "Back-off pulling image" says nothing of why; an event does
        words = _last(seen.events, {"Failed"}, but=("Error: ",)) or words
        return launch.Observation(
            launch.Phase.PENDING,
            reason=f"The image {_image(pod)} cannot be pulled: {words}",
            code="image_missing",
            step=_PULLING,
        )
    if waiting.reason == "CreateContainerConfigError" and "root" in words:
        refused = f"The image would run as root, which the agent's job template does not admit: {words}"
        return launch.Observation(launch.Phase.GONE, reason=refused, code="pod_refused")
    if waiting.reason in _NOT_STARTED:
        code, sentence = _start(words)
        return launch.Observation(launch.Phase.GONE, reason=sentence, code=code)
    if words := _last(seen.events, _VOLUME_TROUBLE):
        return launch.Observation(
            launch.Phase.PENDING,
            reason=f"A volume cannot be mounted: {words}",
            code="volume_missing",
            step=_BEFORE,
        )
    if words := _last(seen.events, {"FailedCreatePodSandBox"}) or (
        waiting.message if waiting.reason != "ContainerCreating" else ""
    ):
        return launch.Observation(
            launch.Phase.PENDING,
            reason=f"The node cannot make the pod: {words}",
            code="launch_failed",
            step=_BEFORE,
        )
    return launch.Observation(
        launch.Phase.PENDING, reason=f"The node {pod.spec.node_name} sets up the pod", step=_BEFORE
    )


# --- it has ended ---


def _ended(seen: Seen, pod: objects.Pod, end: objects.Terminated, now: datetime) -> launch.Observation:
    record = _record(end.message)
    code, words = _why(seen, pod, end, record, now)
    by_signal = end.exit_code - 128
    exit_code = record.exit_code if record is not None else -by_signal if by_signal > 0 else end.exit_code
    return launch.Observation(
        launch.Phase.EXITED,
        exit_code,
        words,
        code,
        reported=record is not None and record.reported,
        reporting=record is not None and record.reporting,
    )


def _why(
    seen: Seen,
    pod: objects.Pod,
    end: objects.Terminated,
    record: run_directory.ExitRecord | None,
    now: datetime,
) -> tuple[str, str]:
    """The code and the sentence of an end. What was done to the pod says more than how its process took it."""
    if taken := _taken_away(seen, pod, now):
        return taken
    if end.reason == "OOMKilled":
        return "out_of_memory", record.reason if record is not None else ""
    if record is not None:
        return "", record.reason
    if end.reason in _NOT_STARTED:
        return _start(end.message)
    if "No module named" in end.message and "headrace" in end.message:
        return (
            "image_without_headrace",
            f"The image has no headrace that its Python finds: {_tail(end.message)}",
        )
    if "exec format error" in end.message:
        return _start(end.message)
    ended = f"The run's container ended with exit code {end.exit_code}"
    return "", f"{ended}{_colon(_tail(end.message))}"


def _taken_away(seen: Seen, pod: objects.Pod, now: datetime) -> tuple[str, str] | None:
    """Who has ended the pod from outside, if somebody has."""
    status, name = pod.status, pod.metadata.name
    if status.reason == "DeadlineExceeded":
        return "job_deadline", f"The pod {name} took longer than it may{_colon(status.message)}"
    if (deadline := _deadline(seen, now)) is not None:
        return deadline
    if status.reason in ("Evicted", "Preempting", "NodeShutdown", "Terminated", "Shutdown", "NodeLost"):
        return "evicted", f"The node has ended the pod {name} ({status.reason}){_colon(status.message)}"
    disrupted = _condition(status.conditions, "DisruptionTarget")
    if disrupted is not None and disrupted.status == "True":
        return (
            "evicted",
            f"The cluster has ended the pod {name} ({disrupted.reason}){_colon(disrupted.message)}",
        )
    if words := _last(seen.events, _EVICTIONS):
        return "evicted", f"The cluster has ended the pod {name}: {words}"
    if seen.job_gone or (seen.job is not None and seen.job.metadata.deletion_timestamp is not None):
        return "removed", _deleted("Job", seen.job.metadata.name if seen.job is not None else name)
    if seen.pod_gone or pod.metadata.deletion_timestamp is not None:
        return "removed", _deleted("pod", name)
    return None


def _deadline(seen: Seen, now: datetime) -> tuple[str, str] | None:
    """A Job past its deadline loses its pod before it says why."""
    job = seen.job
    if job is None or job.spec.active_deadline_seconds is None:
        return None
    said = any(
        item.type in ("Failed", "FailureTarget") and item.reason == "DeadlineExceeded"
        for item in job.status.conditions or ()
    )
    length = timedelta(seconds=job.spec.active_deadline_seconds)
    deleted = seen.pod is not None and (seen.pod_gone or seen.pod.metadata.deletion_timestamp is not None)
    late = job.status.start_time is not None and now >= job.status.start_time + length
    if said or (deleted and late and not seen.job_gone):
        return (
            "job_deadline",
            f"The Job {job.metadata.name} took longer than its deadline of {length.total_seconds():g} s.",
        )
    return None


# --- words ---


def _start(words: str) -> tuple[str, str]:
    lowered = words.lower()
    for mark, code, sentence in _STARTS:
        if mark in lowered:
            return code, f"The run's container could not be started, for {sentence}: {_tail(words)}"
    return "launch_failed", f"The run's container could not be started{_colon(_tail(words))}"


def _deleted(kind: str, name: str) -> str:
    return f"The {kind} {name} was deleted by somebody else than the agent."


def _quota(words: str) -> str:
    found = re.search(r"exceeded quota:.*", words, re.DOTALL)
    return found[0] if found else words


def _colon(words: str) -> str:
    return f": {words}" if words else "."


def _tail(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][:_LAST_WORDS] if lines else ""


def _last(
    events: Iterable[objects.Event], reasons: set[str] | frozenset[str], but: tuple[str, ...] = ()
) -> str:
    """The newest of these that says something."""
    found = [
        event for event in events if event.reason in reasons and not (but and event.message.startswith(but))
    ]
    found.sort(key=lambda event: event.last_timestamp or event.event_time or _EARLY)
    return found[-1].message if found else ""


_EARLY = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _record(message: str) -> run_directory.ExitRecord | None:
    """What the run's supervisor has left; anything else is the end of the container's log."""
    try:
        return msgspec.json.decode(message, type=run_directory.ExitRecord)
    except msgspec.DecodeError:
        return None


def _container(pod: objects.Pod) -> objects.ContainerState:
    for status in pod.status.container_statuses or ():
        if status.name == templates.CONTAINER:
            return status.state
    return objects.ContainerState()


def _image(pod: objects.Pod) -> str:
    statuses = pod.status.container_statuses or ()
    return next((status.image for status in statuses if status.name == templates.CONTAINER), "")


def _condition(conditions: Iterable[objects.Condition] | None, kind: str) -> objects.Condition | None:
    return next((item for item in conditions or () if item.type == kind), None)
