"""T10: the idle server, T11: the idle agent (without its warm template): memory and CPU. T12: start until healthy."""

import contextlib
import os
import sys
import tempfile
import time

import psutil

import peer_servers
from measure import Row, Stack, cpu_seconds, environment, pss_megabytes, report

#: How long the idle parts are watched, in seconds.
WATCH = float(sys.argv[1]) if len(sys.argv) > 1 else 30
STARTS = 5
PEERS = ("prefect", "airflow", "dagster", "luigi")


def started() -> tuple[float, float]:
    """Seconds until healthy, and CPU seconds until then."""
    with Stack(agent=False) as stack:
        return stack.healthy_seconds, cpu_seconds(stack.server)


def start_without_bytecode() -> float:
    with tempfile.TemporaryDirectory() as empty, environment(PYTHONPYCACHEPREFIX=empty):
        return started()[0]


def theirs(stack: contextlib.ExitStack) -> tuple[dict[str, list[float]], dict[str, list[psutil.Process]]]:
    """Their starts, and the processes of the last of them, which stay. A first start fills the disk's cache."""
    starts: dict[str, list[float]] = {}
    parts: dict[str, list[psutil.Process]] = {}
    for name in PEERS:
        for _ in range(3):
            with peer_servers.started(name) as server:
                if server is None:
                    break
                starts.setdefault(name, []).append(server.healthy_seconds)
        else:
            server = stack.enter_context(peer_servers.started(name))
            assert server is not None
            parts[name] = peer_servers.with_runs(server).parts
            starts[name] = [*starts[name][1:], server.healthy_seconds]
    return starts, parts


def main() -> None:
    started()
    starts = [started() for _ in range(STARTS)]
    compiling = [start_without_bytecode() for _ in range(2)]
    with contextlib.ExitStack() as meanwhile:
        peer_starts, parts = theirs(meanwhile)
        stack = meanwhile.enter_context(Stack())
        # All are watched in the same seconds, once what they do at their start is over.
        time.sleep(min(WATCH, 15))
        families = {"server": [stack.server], "agent": [stack.agent], **parts}
        before = {name: [cpu_seconds(part) for part in family] for name, family in families.items()}
        own = sum(stack.agent.cpu_times()[:2])
        began = time.perf_counter()
        time.sleep(WATCH)
        seconds = time.perf_counter() - began
        own = sum(stack.agent.cpu_times()[:2]) - own
        percent = {
            name: [
                100 * (cpu_seconds(part) - was) / seconds
                for part, was in zip(family, before[name], strict=True)
            ]
            for name, family in families.items()
        }
        memory = {name: [pss_megabytes(part) for part in family] for name, family in parts.items()}
        server_memory = pss_megabytes(stack.server)
        agent_memory = pss_megabytes(stack.agent, descendants=False)
    # Dagster's second part, its daemon, is of its server; Prefect's is its worker.
    servers = {name: slice(1) if name == "prefect" else slice(None) for name in parts}
    report(
        Row("T10", "idle server, memory (PSS)", "MB", [server_memory], 100, 75,
            peers={name: [sum(memory[name][servers[name]])] for name in parts}),
        Row("T10", "idle server with an agent on long poll, CPU of a core", "%", percent["server"], 0.5, 0.2,
            peers={name: [sum(percent[name][servers[name]])] for name in parts}),
        Row("T11", "idle agent, memory (PSS)", "MB", [agent_memory], 45, 35,
            peers={name: memory[name][1:] for name in parts if name == "prefect"}),
        Row("T11", "idle agent, CPU of a core", "%", [100 * own / seconds], 0.2, 0.1,
            peers={name: percent[name][1:] for name in parts if name == "prefect"}),
        Row("T12", "server start until healthy, new database", "s", [wall for wall, _ in starts], 1.5, 0.8, peers=peer_starts),
        Row("T12", "the same, CPU", "s", [cpu for _, cpu in starts]),
        Row("T12", "the very first start after an install that compiles nothing", "s", compiling),
    )  # fmt: skip


if __name__ == "__main__":
    os.environ.pop("PYTHONPYCACHEPREFIX", None)
    main()
