import asyncio
from datetime import timedelta

import pytest

from headrace.server import app, tables
from headrace.server.service import Service
from headrace.settings import Settings
from headrace.web import loops
from headrace.web.database import Database
from running import Portal, Server, VirtualClock

SELDOM = timedelta(hours=1)


class Work:
    """Counts, and fails where it is told to."""

    def __init__(self, *fails_at: int) -> None:
        self.done = 0
        self.fails_at = fails_at

    async def __call__(self, service: Service) -> timedelta | None:
        self.done += 1
        if self.done in self.fails_at:
            raise RuntimeError("poison")
        return None


def running(server: Server, *table: loops.Loop) -> "asyncio.Future[None]":
    future = server.portal.start(loops.run_all(server.service, table))

    async def begun() -> None:
        while not server.service.loops:  # noqa: ASYNC110 - a turn of the loop or two, and nothing to signal it
            await asyncio.sleep(0)

    server.run(begun())
    return future


async def poke_and_wait(service: Service, name: str, times: int = 1) -> None:
    for _ in range(times):
        async with asyncio.timeout(20):
            waiting = asyncio.ensure_future(service.loops[name].ran())
            await asyncio.sleep(0)
            service.poke(name)
            await waiting


def test_a_loop_runs_when_it_is_poked(server: Server) -> None:
    work = Work()
    future = running(server, loops.Loop("work", SELDOM, work))
    server.run(poke_and_wait(server.service, "work", 3))
    assert work.done >= 3
    future.cancel()


def test_an_error_does_not_end_a_loop_nor_its_neighbour(server: Server) -> None:
    bad, good = Work(1, 2), Work()
    future = running(server, loops.Loop("bad", SELDOM, bad), loops.Loop("good", SELDOM, good))
    server.run(poke_and_wait(server.service, "bad", 2))
    assert isinstance(server.service.loops["bad"].error, RuntimeError)
    server.run(poke_and_wait(server.service, "bad"))
    assert server.service.loops["bad"].error is None
    server.run(poke_and_wait(server.service, "good"))
    assert (bad.done, good.done) >= (3, 1)
    future.cancel()


def test_a_loop_comes_again_after_the_delay_it_gives(server: Server) -> None:
    done = 0

    async def eager(service: Service) -> timedelta | None:
        nonlocal done
        done += 1
        return timedelta(0) if done < 5 else None

    future = running(server, loops.Loop("eager", SELDOM, eager))

    async def five() -> None:
        async with asyncio.timeout(20):
            service = server.service
            service.poke("eager")
            while done < 5:
                await service.loops["eager"].ran()

    server.run(five())
    future.cancel()


@pytest.mark.postgres
def test_of_two_servers_one_does_a_leased_loop_until_its_lease_is_over(
    postgres_url: str, portal: Portal, clock: VirtualClock, tmp_path: object
) -> None:
    def make() -> Service:
        database = Database.open(postgres_url, clock=clock)

        async def build() -> Service:
            return app.build(Settings(home=tmp_path), database, secret=b"s" * 32)  # type: ignore[arg-type]

        return portal.run(build())

    first, second = make(), make()
    loop = loops.Loop("work", timedelta(seconds=1), Work(), leased=True)
    leases = [loops.Running(loop, service)._lease for service in (first, second)]
    assert [portal.run(lease.hold()) for lease in leases] == [True, False]
    assert portal.run(leases[0].hold())
    clock.advance(loops.LEASE.total_seconds() + 1)
    assert portal.run(leases[1].hold())
    leases[0]._trusted = 0
    assert not portal.run(leases[0].hold())
    # a lease that was granted by a clock that has been set back since keeps nobody out for an hour
    clock.advance(-3600)
    assert portal.run(leases[0].hold())
    leases[1]._trusted = 0
    assert not portal.run(leases[1].hold())
    for service in (first, second):
        portal.run(service.close())


def test_a_server_alone_writes_no_lease(sqlite_server: Server) -> None:
    work = Work()
    future = running(sqlite_server, loops.Loop("work", SELDOM, work, leased=True))
    sqlite_server.run(poke_and_wait(sqlite_server.service, "work"))
    assert sqlite_server.rows(tables.loop_leases) == []
    future.cancel()


def test_only_loops_whose_work_nobody_waits_for_are_kept_to_one_server() -> None:
    assert {loop.name for loop in app.LOOPS if loop.leased} == {"audit", "closing", "janitor"}
