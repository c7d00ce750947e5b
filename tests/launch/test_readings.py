"""A3: from what the cluster says to words. The objects are as real clusters of several ages have shown them."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from headrace import launch
from headrace.launch.kubernetes import objects, output, reading

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXITED, GONE, PENDING, RUNNING = (
    launch.Phase.EXITED,
    launch.Phase.GONE,
    launch.Phase.PENDING,
    launch.Phase.RUNNING,
)


def pod(
    state: dict[str, Any] | None = None, *, deleted: bool = False, node: str = "n1", **status: Any
) -> objects.Pod:
    containers = [{"name": "sidecar", "state": {"running": {}}}, {"name": "run", "state": state or {}}]
    metadata: dict[str, Any] = {"name": "headrace-r-1-abc", "uid": "u"}
    if deleted:
        metadata |= {"deletionTimestamp": "2026-01-01T12:00:00Z", "deletionGracePeriodSeconds": 10}
    content = {
        "metadata": metadata,
        "spec": {"nodeName": node},
        "status": {"containerStatuses": containers, **status},
    }
    return msgspec.convert(content, objects.Pod)


def job(*conditions: dict[str, str], **spec: Any) -> objects.Job:
    content = {
        "metadata": {"name": "headrace-r-1", "uid": "j"},
        "spec": spec,
        "status": {"startTime": "2026-01-01T11:00:00Z", "conditions": list(conditions)},
    }
    return msgspec.convert(content, objects.Job)


def read(seen: reading.Seen) -> tuple[launch.Phase, str]:
    found = reading.observation(seen, NOW)
    return found.phase, found.code


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


RECORD = (
    '{"exit_code":-9,"reported":false,"reporting":false,"reason":"The run\'s process was killed by SIGKILL."}'
)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (reading.Seen(job=job(), pod=pod({"running": {}})), (RUNNING, "")),
        (reading.Seen(job=job(), pod=pod({"waiting": {"reason": "ContainerCreating"}})), (PENDING, "")),
        (reading.Seen(job=job(), pod=pod(ended(1, RECORD))), (EXITED, "")),
        (reading.Seen(job=job(), pod=pod(ended(1, RECORD, "OOMKilled"))), (EXITED, "out_of_memory")),
        (reading.Seen(job=job(), pod=pod(ended(137, "", "OOMKilled"))), (EXITED, "out_of_memory")),
        (
            reading.Seen(
                job=job(),
                pod=pod(ended(128, 'exec: "python3": executable file not found in $PATH', "StartError")),
            ),
            (EXITED, "program_missing"),
        ),
        (
            reading.Seen(job=job(), pod=pod(ended(255, "exec /bin/python3: exec format error"))),
            (EXITED, "wrong_architecture"),
        ),
        (
            reading.Seen(job=job(), pod=pod(ended(1, "ModuleNotFoundError: No module named 'headrace'"))),
            (EXITED, "image_without_headrace"),
        ),
        (
            reading.Seen(
                job=job(), pod=pod(phase="Failed", reason="Evicted", message="The node was low on memory.")
            ),
            (GONE, "evicted"),
        ),
        (
            reading.Seen(
                job=job(), pod=pod(ended(143), phase="Failed", reason="Terminated", message="node shutdown")
            ),
            (EXITED, "evicted"),
        ),
        (
            reading.Seen(
                job=job(),
                pod=pod(
                    ended(143),
                    deleted=True,
                    conditions=[
                        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
                    ],
                ),
            ),
            (EXITED, "evicted"),
        ),
        (
            reading.Seen(job=job({"type": "Failed", "reason": "DeadlineExceeded"}, activeDeadlineSeconds=5)),
            (GONE, "job_deadline"),
        ),
        # an old cluster: the pod is deleted before the Job says why
        (
            reading.Seen(
                job=job(activeDeadlineSeconds=5), pod=pod({"running": {}}, deleted=True), pod_gone=True
            ),
            (GONE, "job_deadline"),
        ),
        (reading.Seen(job=job(), pod=pod({"running": {}}, deleted=True)), (RUNNING, "")),
        (reading.Seen(job=job(), pod=pod({"running": {}}), pod_gone=True), (GONE, "removed")),
        (reading.Seen(job_gone=True), (GONE, "removed")),
        (reading.Seen(), (PENDING, "")),
        (
            reading.Seen(
                job=job(),
                events=(
                    objects.Event(reason="FailedCreate", message='is forbidden: violates PodSecurity "x"'),
                ),
            ),
            (GONE, "pod_refused"),
        ),
        (
            reading.Seen(
                job=job(),
                pod=pod(
                    {"waiting": {"reason": "CreateContainerConfigError", "message": "image will run as root"}}
                ),
            ),
            (GONE, "pod_refused"),
        ),
    ],
)
def test_what_the_cluster_says_becomes_a_code(seen: reading.Seen, expected: tuple[launch.Phase, str]) -> None:
    assert read(seen) == expected


def test_an_end_is_told_as_the_supervisor_has_left_it() -> None:
    found = reading.observation(reading.Seen(job=job(), pod=pod(ended(1, RECORD))), NOW)
    assert (found.exit_code, found.reason) == (-9, "The run's process was killed by SIGKILL.")
    assert reading.observation(reading.Seen(job=job(), pod=pod(ended(137))), NOW).exit_code == -9
    assert reading.observation(reading.Seen(job=job(), pod=pod(ended(3))), NOW).exit_code == 3


def test_a_reported_end_is_nothing_to_report() -> None:
    record = '{"exit_code":0,"reported":true}'
    assert reading.observation(reading.Seen(job=job(), pod=pod(ended(0, record))), NOW).reported


def test_an_end_that_nobody_saw_may_be_none() -> None:
    """A node that is cut off runs on what was taken out of the books by force."""
    ready = [{"type": "Ready", "status": "True"}]
    forced = reading.Seen(job=job(), pod=pod({"running": {}}, conditions=ready), pod_gone=True)
    assert reading.is_unseen_end(forced)
    assert not reading.is_unseen_end(dataclasses.replace(forced, left=True))
    cut_off = pod({"running": {}}, conditions=[{"type": "Ready", "status": "False"}])
    assert reading.is_unseen_end(reading.Seen(job=job(), pod=cut_off, pod_gone=True, left=True))
    assert not reading.is_unseen_end(reading.Seen(job=job(), pod=pod(ended(1)), pod_gone=True))
    assert reading.is_unseen_end(reading.Seen(job_gone=True))


def test_fields_that_are_null_or_unknown_are_read_past() -> None:
    content = b'{"metadata":{"name":"p","labels":null,"managedFields":[]},"status":{"containerStatuses":null,"x":1}}'
    read_pod = msgspec.json.decode(content, type=objects.Pod)
    assert not reading.has_run(read_pod)


def test_output_goes_on_where_it_ended() -> None:
    lines = b"2026-01-01T12:00:00.5Z one\n2026-01-01T12:00:00.51Z zwei \xff\n2026-01-01T12:00:01Z \n"
    first = output.after(lines, "")
    assert first.content == b"one\nzwei \xff\n\n"
    assert output.after(lines, first.after).content == b""
    more = output.after(lines + b"2026-01-01T12:00:01.000000001Z three\n", first.after)
    assert more.content == b"three\n"
