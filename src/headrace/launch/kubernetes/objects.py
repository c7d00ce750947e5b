"""What is read of Kubernetes' objects: the fields that tell how a run's pod is, and nothing else."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields that are not named here are passed over; those that are may be missing, or null."""


class Metadata(_Object, frozen=True):
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None


class Waiting(_Object, frozen=True):
    reason: str = ""
    message: str = ""


class Running(_Object, frozen=True):
    """That it is there says all."""


class Terminated(_Object, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(_Object, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Object, frozen=True):
    name: str = ""
    image: str = ""
    state: ContainerState = ContainerState()


class Condition(_Object, frozen=True):
    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class PodStatus(_Object, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodSpec(_Object, frozen=True):
    node_name: str = ""


class Pod(_Object, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class JobSpec(_Object, frozen=True):
    active_deadline_seconds: int | None = None


class JobStatus(_Object, frozen=True):
    start_time: datetime | None = None
    conditions: list[Condition] | None = None


class Job(_Object, frozen=True):
    metadata: Metadata = Metadata()
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class Event(_Object, frozen=True):
    """What a component of the cluster says of an object."""

    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None


class ListMetadata(_Object, frozen=True):
    resource_version: str = ""


class Listing(_Object, Generic[T], frozen=True):
    metadata: ListMetadata = ListMetadata()
    items: list[T] | None = None


class Change(_Object, frozen=True):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: msgspec.Raw


class Status(_Object, frozen=True):
    """How the API server says no."""

    message: str = ""
    reason: str = ""
    code: int = 0
