"""A PostgreSQL server for the tests: started once per test process, a fresh database cloned for each test."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import lacking


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


class PostgresServer:
    """Runs in a folder of its own, reached by a Unix socket there; nothing listens on a port."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}
        programs = {name: _program(name) for name in ("initdb", "pg_ctl", "psql")}
        missing = [name for name, path in programs.items() if path is None]
        if missing:
            lacking.missing(f"PostgreSQL's {', '.join(missing)} is not installed")
        self._programs = programs
        self._user = None
        self.folder = Path(tempfile.mkdtemp(prefix="hrpg"))
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                lacking.missing("PostgreSQL does not run as root, and there is no user postgres")
            self._user = account.pw_name
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        data = str(self.folder / "data")
        self._run(
            "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs[program]), *arguments],
            user=self._user,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-500:]}")

    def sql(self, statement: str, database: str = "postgres") -> None:
        self._run("psql", "-h", str(self.folder), "-U", "postgres", "-d", database, "-qc", statement)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def create(self, template: str | None = None) -> str:
        """A new database's name."""
        name = f"t{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def drop(self, name: str) -> None:
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def restart(self) -> None:
        """As after a crash of PostgreSQL."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def start(self) -> None:
        # Nothing of the tests must survive the machine; durability is checked by name, not by fsync.
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=200"
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-w",
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "start",
        )

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
