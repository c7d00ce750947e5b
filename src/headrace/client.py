"""The client: `Client.call(operation, request)`, the methods people type, and the HTTP underneath.

A call is repeated only where that is safe: every mutation carries an `Idempotency-Key` that its repetitions share.
"""

import dataclasses
import os
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import msgspec

from headrace import errors, settings, wire
from headrace.wire import flows, logs, operations, run_configs, runs
from headrace.wire.operations import Operation

if TYPE_CHECKING:
    import urllib3

Req = TypeVar("Req", bound=wire.Message)
Ans = TypeVar("Ans", bound=wire.Answer)

#: Statuses that say "not now" rather than "no".
PASSING = frozenset({429, 502, 503, 504, 507})
#: Seconds between two tries, at most: thousands of callers that come back after an outage are spread over it.
LONGEST_PAUSE = 20.0
#: Seconds: connecting, and waiting for an answer that nobody holds back.
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_IN_PATH = re.compile(r"{(\w+)}")


@dataclasses.dataclass(frozen=True)
class _Identity:
    """As whom the code of a flow run speaks to the server."""

    server_url: str
    token: str


_inside: _Identity | None = None


def enter_run(server_url: str, token: str) -> None:
    """From here on this process is a run's: a `Client()` that is told nothing else speaks with the run's token."""
    global _inside
    _inside = _Identity(server_url, token)


@dataclasses.dataclass(frozen=True)
class Sent:
    """A request as HTTP sends it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


class Client:
    """Speaks with a server; safe to share between threads, and to use in a forked child.

    What is not given comes from the settings: `server_url` and `api_key`. `patience` is how many seconds a call goes on
    trying while the server does not answer; 0 makes one try. Raises errors.Unreachable, errors.Unauthenticated and what
    the server says by its problems' codes.
    """

    def __init__(
        self,
        server_url: str | None = None,
        api_key: str | None = None,
        settings: settings.Settings | None = None,
        *,
        patience: float = 3.0,
    ) -> None:
        inside = _inside if settings is None and server_url is None and api_key is None else None
        loaded = settings or _settings()
        self.server_url = (inside.server_url if inside else server_url or loaded.server_url).rstrip("/")
        self._key = inside.token if inside else loaded.api_key if api_key is None else api_key
        self._project = loaded.project
        self._patience = patience
        self._pool: tuple[int, urllib3.HTTPConnectionPool] | None = None
        parts = urlsplit(self.server_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise errors.SettingsError(f"server_url must look like http://host:7400, not {self.server_url!r}")
        self._prefix = parts.path

    def __repr__(self) -> str:
        return f"<Client of {self.server_url}>"

    # --- any operation ---

    def call(
        self,
        operation: Operation[Req, Ans],
        request: Req,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Ans:
        """One logical call. `request_id` names it for the server; give one to repeat it later with one effect.

        `timeout` is in seconds and counts for each try.
        """
        sent = self.prepare(operation, request, request_id=request_id)
        response = self._repeated(
            sent, timeout or READ_SECONDS, self._patience if patience is None else patience
        )
        return self.answer(operation, response.status, response.data)

    def stream(self, operation: Operation[Req, Any], request: Req) -> Iterator[bytes]:
        """The pieces of an answer that is a file, as they come."""
        sent = self.prepare(operation, request)
        response = self._repeated(sent, READ_SECONDS, self._patience, whole=False)
        try:
            if response.status >= 400:
                raise problem(response.status, response.read(), self.server_url)
            yield from response.stream(65536)
        finally:
            response.release_conn()

    def prepare(self, operation: Operation[Req, Any], request: Req, *, request_id: str | None = None) -> Sent:
        """The HTTP request of a call, not sent."""
        names = _IN_PATH.findall(operation.path)
        path = self._prefix + operation.path
        for name in names:
            path = path.replace("{" + name + "}", quote(str(getattr(request, name)), safe=""))
        rest = {name: value for name, value in _given(request) if name not in names}
        headers = {
            "Headrace-Protocol": str(wire.PROTOCOL),
            "Accept": "application/json",
            "User-Agent": "headrace",
        }
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if operation.method != "GET":
            headers["Idempotency-Key"] = request_id or uuid.uuid4().hex
        if operation.method in ("GET", "DELETE"):
            return Sent(operation.method, path + _query(rest), headers, None)
        headers["Content-Type"] = "application/json"
        return Sent(operation.method, path, headers, msgspec.json.encode(rest))

    def answer(self, operation: Operation[Any, Ans], status: int, data: bytes) -> Ans:
        """What an HTTP answer says, or its problem raised as the exception that it was made from."""
        if status >= 400:
            raise problem(status, data, self.server_url)
        try:
            return msgspec.json.decode(data or b"{}", type=operation.answer)
        except msgspec.DecodeError as error:
            raise errors.HeadraceError(
                f"{self.server_url} answered {operation.name} with something else than expected ({error}):"
                " is it a Headrace server, and is this client's version close to the server's?"
            ) from None

    def _repeated(
        self, sent: Sent, timeout: float, patience: float, *, whole: bool = True
    ) -> "urllib3.BaseHTTPResponse":
        """Sends, and again with full jitter while the server does not answer or says "not now", until patience ends."""
        until = time.monotonic() + patience
        for tries in range(1_000_000):
            pause = random.uniform(0, min(LONGEST_PAUSE, 0.1 * 2 ** min(tries, 10)))  # noqa: S311 - jitter, no secret
            try:
                response = self._once(sent, timeout, whole)
            except errors.Unreachable as error:
                if error.facts.get("final") or time.monotonic() + pause > until:
                    raise
            else:
                if response.status not in PASSING:
                    return response
                pause = max(pause, _retry_after(response.headers.get("Retry-After")))
                if time.monotonic() + pause > until:
                    return response
                response.drain_conn()
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _once(self, sent: Sent, timeout: float, whole: bool) -> "urllib3.BaseHTTPResponse":
        # 15 ms, and not needed by a process that only imports the library
        import urllib3

        limits = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout)
        try:
            return self._connections().urlopen(
                sent.method,
                sent.target,
                body=sent.body,
                headers=sent.headers,
                retries=False,
                redirect=False,
                timeout=limits,
                preload_content=whole,
            )
        except urllib3.exceptions.SSLError as error:
            raise errors.Unreachable(
                f"{self.server_url} cannot be spoken to securely: {error}. Check the address, or the certificate (SSL_CERT_FILE).",
                final=True,
            ) from None
        except urllib3.exceptions.HTTPError as error:
            raise errors.Unreachable(
                f"no server answers at {self.server_url} ({_why(error)}): is `headrace up` running, and is server_url right?"
            ) from None

    def _connections(self) -> "urllib3.HTTPConnectionPool":
        """This process's connections: a forked child must not write into its parent's."""
        import urllib3

        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), urllib3.connection_from_url(self.server_url, maxsize=16))
        return self._pool[1]

    def close(self) -> None:
        """Closes the connections that are kept open; the client may still be used."""
        pool, self._pool = self._pool, None
        if pool is not None and pool[0] == os.getpid():
            pool[1].close()

    # --- projects and flows ---

    def create_project(self, name: str, description: str = "") -> flows.Project:
        return self.call(operations.create_project, flows.CreateProject(name=name, description=description))

    def list_projects(self) -> Iterator[flows.Project]:
        return self._pages(operations.list_projects, flows.ListProjects())

    def list_flows(
        self, *, project: str | None = None, search: str | None = None, archived: bool = False
    ) -> Iterator[flows.Flow]:
        return self._pages(
            operations.list_flows, flows.ListFlows(project=project, search=search, archived=archived)
        )

    def find_flow(self, flow: str, project: str | None = None) -> flows.Flow:
        """The flow of this name; `flow` may be written "project/flow"."""
        project, flow = self._names(project, flow)
        return self.call(operations.find_flow, flows.FindFlow(project=project, flow=flow))

    def register_flow(self, request: flows.RegisterFlow) -> flows.Registered:
        return self.call(operations.register_flow, request, timeout=120)

    # --- flow runs ---

    def create_flow_run(
        self,
        *,
        project: str | None = None,
        flow: str = "",
        flow_id: UUID | None = None,
        version: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        scheduled_at: datetime | None = None,
        labels: Sequence[str] | None = None,
        run_config: run_configs.RunConfig | None = None,
        log_level: str = "INFO",
        idempotency_key: str | None = None,
    ) -> runs.FlowRun:
        """Asks for a run, now or at `scheduled_at`. What is not given comes from the flow's settings.

        Two calls with one `idempotency_key` make one run.
        """
        project, flow = ("", "") if flow_id else self._names(project, flow)
        request = runs.CreateFlowRun(
            flow_id=flow_id,
            project=project,
            flow=flow,
            version=version,
            parameters=dict(parameters or {}),
            name=run_name,
            due_at=scheduled_at,
            labels=None if labels is None else list(labels),
            run_config=run_config,
            log_level=log_level,
            idempotency_key=idempotency_key,
        )
        return self.call(operations.create_flow_run, request)

    def read_flow_run(self, flow_run_id: UUID) -> runs.FlowRun:
        return self.call(operations.read_flow_run, runs.FlowRunRef(flow_run_id=flow_run_id))

    def list_flow_runs(
        self,
        *,
        project: str | None = None,
        flow_id: UUID | None = None,
        state: Sequence[str] = (),
        since: datetime | None = None,
    ) -> Iterator[runs.FlowRun]:
        """Flow runs, newest first, fetched a page at a time as they are read."""
        request = runs.ListFlowRuns(project=project, flow_id=flow_id, state=list(state), since=since)
        return self._pages(operations.list_flow_runs, request)

    def wait_for(self, run: runs.FlowRun | UUID, timeout: float | timedelta | None = None) -> runs.FlowRun:
        """The run once it is finished. Raises TimeoutError when that takes longer than `timeout` (seconds)."""
        flow_run_id = run if isinstance(run, UUID) else run.id
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        until = None if seconds is None else time.monotonic() + seconds
        pause = 0.05
        while True:
            found = self.read_flow_run(flow_run_id)
            if found.state.is_finished:
                return found
            if until is not None and time.monotonic() + pause > until:
                raise TimeoutError(f"run {found.name!r} is still {found.state.name} after {seconds:g} s")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def cancel_flow_run(self, flow_run_id: UUID, reason: str = "") -> runs.FlowRun:
        return self.call(
            operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=flow_run_id, reason=reason)
        )

    def resume_flow_run(self, flow_run_id: UUID) -> runs.FlowRun:
        return self.call(operations.resume_flow_run, runs.ResumeFlowRun(flow_run_id=flow_run_id))

    def list_task_runs(
        self, flow_run_id: UUID, *, slug: str | None = None, state: Sequence[str] = ()
    ) -> Iterator[runs.TaskRun]:
        return self._pages(
            operations.list_task_runs,
            runs.ListTaskRuns(flow_run_id=flow_run_id, slug=slug, state=list(state)),
        )

    def list_logs(
        self,
        flow_run_id: UUID,
        *,
        level: int = 0,
        task: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
    ) -> Iterator[logs.LogLine]:
        """A run's log records in order of time, fetched a page at a time as they are read."""
        request = logs.ListLogs(flow_run_id=flow_run_id, level=level, task=task, search=search, since=since)
        return self._pages(operations.list_logs, request)

    def follow_logs(self, flow_run_id: UUID, *, level: int = 0) -> Iterator[logs.LogLine]:
        """A run's log records as they come, until the run is finished."""
        last, since, pause = -1, None, 0.1
        while True:
            finished = self.read_flow_run(flow_run_id).state.is_finished
            before = last
            for line in self.list_logs(flow_run_id, level=level, since=since):
                if line.number > last:
                    last, since = line.number, line.at
                    yield line
            if finished:
                return
            pause = 0.1 if last > before else min(1.0, pause * 1.5)
            time.sleep(pause)

    def _pages(self, operation: Operation[Req, wire.Page[Any]], request: Req) -> Iterator[Any]:
        while True:
            page = self.call(operation, request)
            yield from page.items
            if page.next is None:
                return
            request = msgspec.structs.replace(request, after=page.next)

    def _names(self, project: str | None, flow: str) -> tuple[str, str]:
        if project is None and "/" in flow:
            project, flow = flow.split("/", 1)
        return project or self._project, flow


def problem(status: int, data: bytes, server_url: str) -> errors.HeadraceError:
    """The exception that a problem was made from; one for answers that are no problem of ours, as proxies give them."""
    try:
        said = msgspec.json.decode(data, type=wire.Problem)
    except msgspec.DecodeError:
        if status in PASSING:
            return errors.Unavailable(
                f"{server_url} answers {status}: the server is not ready, or a proxy cannot reach it"
            )
        return errors.HeadraceError(
            f"{server_url} answers {status}, not as a Headrace server does: is server_url right?"
        )
    kinds = _by_code(errors.HeadraceError)
    kind = kinds.get(said.code) or next(
        (kind for kind in kinds.values() if kind.status == status), errors.HeadraceError
    )
    return kind(
        said.detail or said.title, fields=dict(said.errors), **{name: said.facts[name] for name in said.facts}
    )


def _by_code(kind: type[errors.HeadraceError]) -> dict[str, type[errors.HeadraceError]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        found |= {code: one for code, one in _by_code(below).items() if code not in found}
    return found


def _settings() -> settings.Settings:
    return settings.load()


def _given(request: wire.Message) -> Iterator[tuple[str, Any]]:
    """The fields of a request that differ from their defaults: an older server need not know the others."""
    for field in msgspec.structs.fields(request):
        value = getattr(request, field.name)
        if field.default is not msgspec.NODEFAULT:
            default: Any = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        else:
            default = msgspec.NODEFAULT
        if default is msgspec.NODEFAULT or value != default:
            yield field.encode_name, value


def _query(values: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        plain: Any = msgspec.to_builtins(value)
        items = cast(list[Any], plain) if isinstance(plain, list) else [plain]
        pairs.extend(
            (name, item if isinstance(item, str) else msgspec.json.encode(item).decode()) for item in items
        )
    return "?" + urlencode(pairs) if pairs else ""


def _retry_after(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 1.0


def _why(error: Exception) -> str:
    """The system's own words for what went wrong, without the library's objects around them."""
    inner = error.args[1] if len(error.args) == 2 else error  # a connection that was cut wraps why
    text = str(inner)
    return text.rsplit(": ", 1)[-1] if ": " in text else text
