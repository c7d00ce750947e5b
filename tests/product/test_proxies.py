"""H1: two servers behind nginx and behind HAProxy, and PgBouncer before PostgreSQL, each configured as the documentation says."""

import json
import os
import pwd
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import proxies
import pytest
import urllib3
from websockets.sync.client import connect

import stack as stacks
from headrace.core.states import StateType
from headrace.wire import agents, operations, runs
from postgresql import PostgresServer

pytestmark = pytest.mark.postgres

FLOW = """
from headrace import flow, task

@task
def add(n: int) -> int:
    return n + 1

@flow
def small(n: int = 1) -> None:
    add.map([n] * 20)
"""

#: Seconds for which an answer is held; in full size longer than proxies wait where nobody tells them to.
HELD = 65.0 if os.environ.get("HEADRACE_NEMESIS") else 3.0


class Behind(stacks.Stack):
    """Two servers, the proxy at the address that people know, and an agent that knows nothing else."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.outside = stacks.free_port()
        certificate = proxies.certificate(_made(folder))
        environment = {
            "HEADRACE_PUBLIC_URL": f"https://{proxies.NAME}:{self.outside}",
            "SSL_CERT_FILE": str(certificate),
        }
        super().__init__(folder, database_url=database_url, environment=environment)
        self.trusted = ssl.create_default_context(cafile=str(certificate))
        self.ports = [self.port, stacks.free_port(), stacks.free_port()]
        self.second: subprocess.Popen[bytes] | None = None
        self.proxy: proxies.Program | None = None

    def start_behind(self, proxy: Callable[..., proxies.Program]) -> None:
        """Of the three that the documentation names the last one is not there."""
        self.start_server()
        self.second = self._spawn("server-2", ["-m", "headrace", "server", "--port", str(self.ports[1])])
        inside, self.url = self.url, f"http://127.0.0.1:{self.ports[1]}"
        self.until(self.is_ready, "the second server is ready")
        self.url = inside
        self.proxy = proxy(self.folder, self.outside, self.ports)
        self.url = f"https://localhost:{self.outside}"
        self.api.close()
        self._api = None
        self.start_agent("a0")

    def close(self) -> None:
        if self.proxy is not None:
            self.proxy.close()
        if self.second is not None and self.second.poll() is None:
            self.kill(self.second)
        super().close()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


class Browser:
    """A browser that knows the service by its name."""

    def __init__(self, behind: Behind) -> None:
        self.origin = f"https://{proxies.NAME}:{behind.outside}"
        self._pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            behind.outside,
            ssl_context=behind.trusted,
            server_hostname=proxies.NAME,
            assert_hostname=proxies.NAME,
            retries=False,
        )
        self.headers = {"Host": f"{proxies.NAME}:{behind.outside}", "Origin": self.origin}

    def ask(self, method: str, path: str, value: object = None) -> urllib3.BaseHTTPResponse:
        body = None if value is None else json.dumps(value)
        headers = {**self.headers, **({"Content-Type": "application/json"} if body else {})}
        return self._pool.request(method, path, body=body, headers=headers)

    def sign_in(self, link: str) -> None:
        answer = self.ask("POST", "/api/session", {"token": link.partition("token=")[2]})
        assert answer.status == 200, answer.data
        self.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        self.headers["X-CSRF-Token"] = answer.json()["csrf_token"]


@pytest.fixture(params=["nginx", "haproxy"])
def behind(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Behind]:
    proxies.program(request.param)
    made = Behind(tmp_path / "behind", postgres_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.folder / "headrace.crt"))
    try:
        made.start_behind(getattr(proxies, request.param))
        source = made.folder / "sums.py"
        source.write_text(FLOW)
        made.register(source, "sums")
        yield made
    finally:
        made.close()


def test_people_agents_and_runs_work_through_the_proxy(behind: Behind) -> None:
    assert behind.local is not None
    # a page: signing in, and a change that only its own origin may make
    browser = Browser(behind)
    browser.sign_in(behind.local.start_url)
    assert browser.ask("GET", "/").status == 200
    made = browser.ask("POST", "/api/projects", {"name": "other"})
    assert made.status == 200, made.data
    browser.headers["Origin"] = "https://elsewhere.example"
    assert browser.ask("POST", "/api/projects", {"name": "third"}).status == 403

    # an agent's run, and a page that hears of it
    browser.headers["Origin"] = browser.origin
    with connect(
        f"wss://{proxies.NAME}:{behind.outside}/api/live",
        sock=socket.create_connection(("127.0.0.1", behind.outside), 20),
        ssl=behind.trusted,
        origin=browser.origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": browser.headers["Cookie"]},
    ) as live:
        live.send(msgspec.json.encode({"subscribe": ["flow_runs"]}).decode())
        assert live.recv(20) == '{"topic":"flow_runs"}'
        run = behind.run("sums/small")
        assert live.recv(20) == '{"topic":"flow_runs"}'
    assert behind.finished(run).state.type is StateType.SUCCESS

    # an answer that is held
    own = agents.RegisterAgent(
        name="held", instance="1", labels=["nothing"], takes_unlabelled=False, launches=["local"]
    )
    agent = behind.api.call(operations.register_agent, own)
    began = time.monotonic()
    claim = runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=HELD)
    answer = behind.api.call(operations.claim_flow_run, claim, timeout=HELD + 20, patience=0)
    assert answer.assignment is None
    assert time.monotonic() - began >= min(HELD, 60) - 0.5

    # one server less
    assert behind.server is not None
    behind.kill(behind.server)
    again = [behind.run("sums/small") for _ in range(3)]
    assert {behind.finished(run).state.type for run in again} == {StateType.SUCCESS}


@pytest.fixture
def pooled(postgres: PostgresServer, postgres_template: str) -> Iterator[tuple[str, str]]:
    """A database's URL through PgBouncer, and the same without."""
    proxies.program("pgbouncer")
    name, port = postgres.create(postgres_template), stacks.free_port()
    with tempfile.TemporaryDirectory(prefix="hrpb") as folder:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        bouncer = proxies.pgbouncer(Path(folder), port, name, postgres.folder, "a-password")
        try:
            yield (
                f"postgresql://postgres:a-password@127.0.0.1:{port}/headrace?pooler=transaction",
                postgres.url(name),
            )
        finally:
            bouncer.close()
            postgres.drop(name)


def test_servers_work_through_a_pooler_that_gives_each_transaction_another_session(
    make_stack: stacks.Make, pooled: tuple[str, str]
) -> None:
    """Two servers, so that statements of one would meet those of the other."""
    stack = make_stack(database_url=pooled[0])
    stack.start()
    other = stacks.free_port()
    stack.agents["second server"] = stack._spawn(
        "server-2", ["-m", "headrace", "server", "--port", str(other)]
    )
    inside, stack.url = stack.url, f"http://127.0.0.1:{other}"
    stack.until(stack.is_ready, "the second server is ready")
    stack.url = inside
    stack.start_agent("a1", url=f"http://127.0.0.1:{other}")
    source = stack.folder / "sums.py"
    source.write_text(FLOW)
    stack.register(source, "sums")
    made = [stack.run("sums/small", n=number) for number in range(8)]
    assert {stack.finished(run).state.type for run in made} == {StateType.SUCCESS}
    stack.until(lambda: "notices do not arrive" in stack.log("server"), "it says that it asks instead")
    looked = stack.cli("doctor", "-o", "json")
    assert looked.returncode == 0, looked.stdout
    for name in ("server", "server-2"):
        assert "prepared statement" not in stack.log(name)
        assert "Traceback" not in stack.log(name)
