"""Two servers on one PostgreSQL, or one on SQLite with a small disk; agents on hosts of their own; bad networks between."""

import contextlib
import functools
import os
import subprocess
from pathlib import Path

import chaos
import psutil

import stack as stacks
from headrace.launch import directory as run_directory
from headrace.launch import identity
from nemesis import clocks, history, namespaces, proxy
from postgresql import PostgresServer

#: As those of tests/stack.py, with more room for a machine that is busy with a dozen processes.
TIMING = {
    "heartbeat": 1.0,
    "lease": 8.0,
    "margin": 2.0,
    "kill": 2.0,
    "pause": 3.0,
    "grace": 4.0,
    "lost_after": 10.0,
}
LIMIT = 4
DISK = "48m"


class Installation:
    """All of it in one folder. `kind` is postgres or sqlite. Whatever is missing here is said in `without`."""

    def __init__(self, folder: Path, seed: int, kind: str, agents: int = 3) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self.without: list[str] = []
        self._closing = contextlib.ExitStack()
        self.network = proxy.Network()
        self._closing.callback(self.network.close)
        self.history = history.History()
        self.clock: clocks.Clock | None = None
        self.postgres: PostgresServer | None = None
        self.disk: Path | None = None
        environment = {"HEADRACE_SECRET_KEY": "one secret of all servers"}
        if kind == "postgres":
            environment["HEADRACE_DATABASE_URL"] = self._make_postgres()
        else:
            environment |= self._make_disk(folder)
        self.stack = stacks.Stack(folder / "stack", timing=TIMING, environment=environment)
        self.database_url = environment.get("HEADRACE_DATABASE_URL") or (
            f"sqlite:///{self.stack.home / 'server' / 'headrace.db'}"
        )
        self._closing.callback(self.stack.close)
        self.ports = {"server0": self.stack.port}
        if kind == "postgres":
            self.ports["server1"] = stacks.free_port()
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.users = proxy.Proxy(self.network, list(self.ports.values()), seed)
        self.proxies: dict[str, proxy.Proxy] = {"users": self.users}
        self.hosts: dict[str, namespaces.Namespace] = {}
        if why := namespaces.lacks():
            self.without.append(f"network namespaces ({why}); proxies hold the traffic instead")
        for number in range(agents):
            self._make_host(f"agent{number}", seed + 1 + number)

    def _make_postgres(self) -> str:
        import tempfile

        folder = Path(tempfile.mkdtemp(prefix="hrclock"))
        folder.chmod(0o755)
        self._closing.callback(lambda: [path.unlink() for path in folder.iterdir()] and folder.rmdir())
        if clocks.library() is None:
            self.without.append("a clock that can be set (libfaketime is not installed)")
        else:
            self.clock = clocks.Clock(folder)
        self.postgres = PostgresServer(self.clock.environment() if self.clock else None)
        self._closing.callback(self.postgres.close)
        return self.postgres.url(self.postgres.create())

    def _make_disk(self, folder: Path) -> dict[str, str]:
        disk = folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            self.without.append("a disk that can be filled (it needs root)")
            return {}
        self._closing.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        self.disk = disk
        return {"HEADRACE_DATABASE_URL": f"sqlite:///{disk}/headrace.db", "HEADRACE_DISK_RESERVE_MB": "4"}

    def _make_host(self, name: str, seed: int) -> None:
        at = "127.0.0.1"
        if not namespaces.lacks():
            host = namespaces.Namespace.make()
            self._closing.callback(host.close)
            self.hosts[name], at = host, host.near
        self.proxies[name] = proxy.Proxy(
            self.network,
            list(self.ports.values()),
            seed,
            host=at,
            witness=functools.partial(self.history.witness, name),
        )

    @property
    def agents(self) -> list[str]:
        return [name for name in self.proxies if name != "users"]

    # --- its processes ---

    def start(self) -> None:
        self.stack.start_server()
        assert self.stack.server is not None
        self.servers["server0"] = self.stack.server
        for name in self.ports.keys() - {"server0"}:
            self.start_server(name)
        for name in self.agents:
            self.start_agent(name)
        self.stack.register(chaos.PROBE, chaos.PROJECT)

    def start_server(self, name: str) -> None:
        self.servers[name] = self.stack._spawn(
            name, ["-m", "headrace", "server", "--port", str(self.ports[name])]
        )

    def start_agent(self, name: str) -> None:
        before = self.hosts[name].entering if name in self.hosts else ()
        self.stack.start_agent(name, limit=LIMIT, url=self.proxies[name].url, before=before)

    def attempts(self, agent: str) -> list[stacks.RunProcess]:
        """What runs on this agent's host."""
        found: list[stacks.RunProcess] = []
        for directory in (self.stack.home / "agents" / agent / "runs").glob("*"):
            holder = run_directory.read_holder(directory)
            if holder is not None and identity.start_time(holder.pid) == holder.started:
                run_id, _, fence = directory.name.rpartition("-")
                below = stacks.children(holder.pid)
                found.append(stacks.RunProcess(run_id, int(fence), holder.pid, below[0] if below else None))
        return found

    def processes(self, agent: str) -> list[int]:
        """Every process of this agent's host, the agent first."""
        roots = [self.stack.agents[agent].pid, *(attempt.supervisor for attempt in self.attempts(agent))]
        found: list[int] = []
        for pid in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return list(dict.fromkeys(found))

    def close(self) -> None:
        for name in self.servers:
            self.stack.agents.setdefault(name, self.servers[name])  # so that they are killed with the rest
        self._closing.close()
