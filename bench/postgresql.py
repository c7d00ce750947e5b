"""A PostgreSQL for the measurements: a folder of its own, reached by a Unix socket there, durable as it comes."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Database:
    """Which one, by its name and its URL (none: SQLite), and the process whose work counts as the server's, if there is one."""

    name: str
    url: str = ""
    process: psutil.Process | None = None


@contextlib.contextmanager
def databases() -> Iterator[list[Database]]:
    """SQLite, and PostgreSQL where it is installed."""
    found = [Database("SQLite")]
    programs = {name: _program(name) for name in ("initdb", "postgres", "createdb", "pg_isready")}
    if missing := [name for name, path in programs.items() if path is None]:
        print(f"PostgreSQL is not measured: there is no {', '.join(missing)}")
        yield found
        return
    with running({name: str(path) for name, path in programs.items()}) as postgresql:
        yield [*found, postgresql]


@contextlib.contextmanager
def running(programs: dict[str, str]) -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="hrbench"))
    user = None
    if os.geteuid() == 0:  # it does not run as root
        account = pwd.getpwnam("postgres")
        user = account.pw_name
        os.chown(folder, account.pw_uid, account.pw_gid)

    def run(program: str, *arguments: str) -> int:
        return subprocess.run(
            [programs[program], *arguments],
            user=user,
            cwd=folder,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode

    run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs["postgres"], "-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses="],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        while run("pg_isready", "-h", str(folder), "-U", "postgres", "-t", "5"):
            if server.poll() is not None:
                raise RuntimeError((folder / "log").read_text()[-2000:])
        run("createdb", "-h", str(folder), "-U", "postgres", "bench")
        yield Database(
            "PostgreSQL", f"postgresql://postgres@/bench?host={folder}", psutil.Process(server.pid)
        )
    finally:
        server.send_signal(signal.SIGINT)  # its fast way to end
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def another(database: Database) -> Database:
    """A second, empty one on the same server; for SQLite another file, which its home names."""
    if not database.url:
        return Database(database.name)
    url = database.url.replace("/bench?", "/another?")
    asyncio.run(_create(database.url, "another"))
    return Database(database.name, url, database.process)


async def _create(url: str, name: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)
