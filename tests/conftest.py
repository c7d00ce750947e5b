"""What all tests share: both databases, a server over them with a virtual clock, and the same behind real HTTP."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.server import app, migrations
from headrace.settings import Settings
from headrace.web import serving
from headrace.web.database import Database
from http_client import Http
from postgresql import PostgresServer
from receivers import Receiver
from running import Portal, Server, VirtualClock


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a prepared database, to clone."""
    name = postgres.create()
    _prepare(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared file, to copy."""
    path = tmp_path_factory.mktemp("template") / "headrace.db"
    _prepare(f"sqlite:///{path}")
    return path


def _prepare(url: str) -> None:
    migrations.upgrade_url(url)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A prepared SQLite database of the test's own."""
    shutil.copy(sqlite_template, tmp_path / "headrace.db")
    return f"sqlite:///{tmp_path / 'headrace.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A prepared PostgreSQL database of the test's own."""
    name = postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs twice, once on each kind of database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str, portal: Portal, clock: VirtualClock) -> Iterator[Database]:
    database = Database.open(database_url, clock=clock)
    yield database
    portal.run(database.close())


@pytest.fixture
def server(database: Database, portal: Portal, clock: VirtualClock, tmp_path: Path) -> Server:
    """A server on each kind of database, with callers of every role."""
    return make_server(database, portal, clock, tmp_path)


@pytest.fixture
def sqlite_server(sqlite_url: str, portal: Portal, clock: VirtualClock, tmp_path: Path) -> Iterator[Server]:
    """A server on SQLite alone, for what does not depend on the database."""
    database = Database.open(sqlite_url, clock=clock)
    yield make_server(database, portal, clock, tmp_path)
    portal.run(database.close())


@pytest.fixture
def open_database(portal: Portal) -> Iterator[Callable[[str], Database]]:
    """Opens databases that are closed when the test ends."""
    opened: list[Database] = []

    def open_(url: str) -> Database:
        opened.append(Database.open(url))
        return opened[-1]

    yield open_
    for database in opened:
        portal.run(database.close())


def make_server(database: Database, portal: Portal, clock: VirtualClock, home: Path) -> Server:
    async def build() -> Server:
        return app.build(Settings(home=home), database, secret=b"a secret of the tests, long enough")  # type: ignore[return-value]

    return Server(portal.run(build()), portal, clock)  # type: ignore[arg-type]


@pytest.fixture
def http(sqlite_server: Server) -> Iterator[Http]:
    """The SQLite server behind a real port."""
    with serving.listen("127.0.0.1", 0) as listener:
        yield from _serve(sqlite_server, listener)


def _serve(server: Server, listener: socket.socket) -> Iterator[Http]:
    readiness = serving.Readiness()

    async def prepare() -> None:
        return

    async def started() -> None:
        await readiness.event.wait()

    running = server.portal.start(
        serving.serve(
            server.service,
            app.application(server.service, readiness),
            listener,
            duties=(),
            prepare=prepare,
            readiness=readiness,
        )
    )
    server.run(started())
    http = Http(server, listener.getsockname()[1])
    yield http
    http.close()

    async def drain() -> None:
        server.service.drain()

    server.run(drain())
    running.result(30)


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
