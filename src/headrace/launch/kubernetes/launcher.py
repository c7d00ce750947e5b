"""The launcher of Jobs: one for each attempt, with a Secret that holds what the run is told."""

import contextlib
import shutil
from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from uuid import UUID, uuid4

from headrace import errors, launch
from headrace.core import leases
from headrace.launch import directory as run_directory
from headrace.launch import place as places
from headrace.launch.kubernetes import access, api, board, jobs, objects, output, reading, templates
from headrace.wire import run_configs

#: Which call has made a Job, where the answer was lost.
_CALL = "headrace.dev/call"
#: Seconds beyond its grace within which a pod has to be gone.
GONE_SECONDS = 60.0
#: Until the cluster's own list has arrived.
LIST_SECONDS = 20.0
#: The same for a run that is to be started, whose agent has waited for that before.
SIGHT_SECONDS = 2.0


class KubernetesLauncher:
    """Starts each workload as a Job of one namespace. `agent` is the name by which it finds its own again."""

    kind = "kubernetes"
    is_slow = True

    def __init__(
        self, found: access.Access, place: places.Place, *, name: str, timing: leases.Timing
    ) -> None:
        self._folder, self._policy = place.folder, place.policy
        rules = place.policy.kubernetes
        self._templates = templates.Templates(Path(rules.templates).expanduser() if rules.templates else None)
        self._agent = jobs.label(name)
        self._grace = round(timing.kill.total_seconds()) + 2
        self._api = api.Api(found)
        unseen = (timing.lease + timing.grace).total_seconds()
        self._board = board.Board(self._api, self._agent, patience=rules.pending_seconds, unseen=unseen)

    def warm_up(self) -> None:
        self._board.start()

    def await_readiness(self, seconds: float) -> str:
        return self._board.await_start(seconds)[0]

    def close(self) -> None:
        self._board.close()
        self._api.close()

    # --- starting ---

    def start(self, workload: launch.Workload) -> Iterator[launch.LaunchState]:
        container = workload.container
        assert container is not None
        config = container.config
        assert isinstance(config, run_configs.KubernetesRun)
        template = self._templates.named(config.job_template)
        _check_mounts(container.mounts, template)
        wanted = jobs.Wanted(
            name=jobs.name_of(workload.name),
            labels={
                jobs.RUN: container.labels[jobs.RUN],
                jobs.FENCE: container.labels[jobs.FENCE],
                jobs.AGENT: self._agent,
            },
            title=container.labels[jobs.NAME],
            config=config,
            variables=tuple(sorted(workload.environment)),
            grace_seconds=self._grace,
            memory=container.memory,
            most_cpu=self._policy.cpu,
            most_memory=self._policy.memory_bytes,
        )
        manifest = jobs.manifest(wanted, template)
        state = launch.LaunchState(self.kind, workload.name, str(workload.directory))
        yield state
        # who cannot see pods would make one that nobody watches
        self._complete(SIGHT_SECONDS)
        with _in_words("the cluster does not make the run's Job"):
            job = self._create(wanted.name, manifest)
        self._board.expect(workload.name, job)
        handover = workload.files[run_directory.HANDOVER]
        secret = jobs.secret(wanted, job.metadata.uid, handover, workload.environment)
        with _in_words("the cluster does not take what the run has to be told"):
            self._create_secret(secret)
        yield launch.LaunchState(self.kind, workload.name, str(workload.directory), {"uid": job.metadata.uid})

    def _create(self, name: str, manifest: jobs.Manifest) -> objects.Job:
        """A Job of this name that another call has made is a clash; one of this call is the answer that was lost."""
        call = uuid4().hex
        manifest["metadata"]["annotations"][_CALL] = call
        try:
            return self._api.create("jobs", manifest, objects.Job)
        except api.Refusal as refusal:
            if refusal.reason != "AlreadyExists":
                raise
            there = self._api.get("jobs", name, objects.Job)
            if (there.metadata.annotations or {}).get(_CALL) == call:
                return there
            raise errors.LaunchError(
                f"there is a Job {name} in the namespace {self._api.namespace} already, which this agent has not made now.",
                reason="name_clash",
            ) from None

    def _create_secret(self, manifest: jobs.Manifest) -> None:
        try:
            self._api.create("secrets", manifest, objects.Status)
        except api.Refusal as refusal:
            if refusal.reason != "AlreadyExists":
                raise
            # of the same name and an earlier Job; or of this one, whose answer was lost
            self._api.delete("secrets", manifest["metadata"]["name"])
            self._api.create("secrets", manifest, objects.Status)

    # --- watching ---

    def observe(self, state: launch.LaunchState) -> launch.Observation:
        self._complete()
        return self._board.observation(state.name)

    def follow(self, state: launch.LaunchState) -> int | None:
        return self._board.follow(state.name)

    def logs(self, state: launch.LaunchState, after: str = "") -> launch.Output:
        kept = output.kept(Path(state.directory))
        if kept is not None:
            return output.after(kept, after)
        pod = self._board.card(state.name).seen().pod
        if pod is None or not reading.has_run(pod):
            return launch.Output(b"", after)
        with _in_words("the pod's output cannot be read"):
            try:
                return output.after(self._api.logs(pod.metadata.name, templates.CONTAINER), after)
            except api.Refusal as refusal:
                if refusal.status in (400, 404):
                    return launch.Output(b"", after)
                raise

    def _complete(self, seconds: float = LIST_SECONDS) -> None:
        """Raises errors.LaunchError until it is known what there is in the cluster."""
        why, reason = self._board.await_start(seconds)
        if why:
            raise errors.LaunchError(why, reason=reason)

    # --- ending ---

    def withdraw(self, state: launch.LaunchState) -> bool:
        self._complete()
        card = self._board.card(state.name)
        if self._board.has_begun(card):
            return False
        self._delete(state, card, 1)
        self._await(card, GONE_SECONDS)
        return not self._board.has_begun(card)

    def stop(self, state: launch.LaunchState, grace: timedelta) -> None:
        self._complete()
        card = self._board.card(state.name)
        ended = self._board.observation(state.name).phase is launch.Phase.EXITED
        if ended or (card.deleted_at is not None and card.is_over()) or card.is_gone():
            return
        # what it has written goes with the pod
        directory = Path(state.directory)
        pod = card.seen().pod
        if pod is not None and reading.has_run(pod) and output.kept(directory) is None:
            with contextlib.suppress(api.Refusal, api.Silence, OSError):
                output.keep(directory, self._api.logs(pod.metadata.name, templates.CONTAINER))
        # a grace of 0 would take the pod out of the books while its processes still run
        seconds = max(1, round(grace.total_seconds()))
        self._delete(state, card, seconds)
        self._await(card, seconds + GONE_SECONDS)

    def forget(self, state: launch.LaunchState) -> None:
        self._remove(state)
        self._board.remove(state.name)
        shutil.rmtree(state.directory, ignore_errors=True)

    def found(self) -> Iterable[launch.Found]:
        """An agent in a pod has no other memory than the cluster's."""
        self._complete()
        for name in self._board.names():
            job = self._board.card(name).job
            if job is None:
                continue
            labels, annotations = job.metadata.labels or {}, job.metadata.annotations or {}
            # what somebody else has labelled so is not ours
            with contextlib.suppress(KeyError, ValueError):
                yield launch.Found(
                    flow_run_id=UUID(labels[jobs.RUN]),
                    fence=int(labels[jobs.FENCE]),
                    name=annotations.get(jobs.NAME, name),
                    state=launch.LaunchState(
                        self.kind, name, str(self._folder / name), {"uid": job.metadata.uid}
                    ),
                )

    def clear(self, keep: Collection[str]) -> None:
        """Nothing: all that there is of this agent is found, taken over and ended as any other run."""

    def _delete(self, state: launch.LaunchState, card: board.Card, seconds: int) -> None:
        """The pods with so much grace, and then all of it."""
        self._remove(state)
        with _in_words("the run's pod cannot be deleted"):
            for uid, pod in list(card.pods.items()):
                if uid not in card.gone:
                    self._api.delete("pods", pod.metadata.name, uid=uid, grace=seconds)

    def _remove(self, state: launch.LaunchState) -> None:
        """The Job with its pods and the Secret. Of another Job with this name nothing is removed."""
        name, uid = jobs.name_of(state.name), str(state.handle.get("uid", ""))
        job = self._board.card(state.name).job
        uid = uid or (job.metadata.uid if job is not None else "")
        with _in_words("the run's Job cannot be deleted"):
            if uid:
                self._api.delete("jobs", name, uid=uid)
                self._api.delete("secrets", name)

    def _await(self, card: board.Card, seconds: float) -> None:
        if not self._board.await_end(card, seconds):
            raise errors.LaunchError(
                f"the run's pod is still there {seconds:g} s after it was deleted: its node may be cut off."
            )


def _check_mounts(mounts: Iterable[launch.Mount], template: jobs.Manifest) -> None:
    """What lies on a machine is seen by a pod only where the template mounts it."""
    places = [PurePosixPath(place) for place in templates.mounted(template)]
    for mount in mounts:
        if not any(PurePosixPath(mount.target).is_relative_to(place) for place in places):
            raise errors.LaunchError(
                f"the flow's content is the file {mount.target} of the machine where it was registered, which no pod sees:"
                " register the flow with a storage that pods reach (Module, Git, Webhook, ObjectStore), or let the agent's"
                " operator mount a volume there in the job template.",
                reason="not_admitted",
            )


@contextlib.contextmanager
def _in_words(what: str) -> Generator[None]:
    """What the API server refuses, or that it does not answer, as errors.LaunchError with its reason."""
    try:
        yield
    except api.Silence as error:
        raise errors.LaunchError(f"{what}: {error}", reason="engine_down") from None
    except api.Refusal as refusal:
        raise errors.LaunchError(f"{what}: {refusal.message}", reason=_reason(refusal)) from None


def _reason(refusal: api.Refusal) -> str:
    if refusal.status == 401:
        return "cluster_refused"
    if refusal.status == 403:
        if "exceeded quota" in refusal.message:
            return "quota_full"
        # an admission webhook answers with the same status
        return "cluster_refused" if " cannot " in refusal.message else "pod_refused"
    return "pod_refused" if refusal.status in (400, 422) else "launch_failed"
