"""The server put together: its handlers, loops and tables over one database, behind HTTP."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from headrace.core import leases
from headrace.server import (
    accounts,
    agents,
    artifacts,
    audit,
    backfills,
    bulk,
    claims,
    control,
    deletion,
    deliveries,
    figures,
    flows,
    identity,
    installation,
    invitations,
    keys,
    leasing,
    limits,
    live,
    local,
    logs,
    migrations,
    neighbours,
    notifications,
    oidc,
    overview,
    projects,
    registration,
    removal,
    reports,
    resets,
    restarts,
    retention,
    run_queries,
    runs,
    schedules,
    sessions,
    sign_up,
    sign_up_rule,
    slas,
    tables,
    task_events,
    task_runs,
    task_slots,
    tokens,
    variables,
    versions,
    ways_in,
)
from headrace.server.loops import audit as audit_loop
from headrace.server.loops import backfills as backfill_loop
from headrace.server.loops import closing, janitor, outbox, reaper, scheduler, takeover, timekeeper
from headrace.server.loops import limits as limit_loop
from headrace.server.loops import neighbours as neighbours_loop
from headrace.server.service import Service, registry
from headrace.settings import Settings
from headrace.web import app, outbound, service, serving
from headrace.web import database as databases
from headrace.wire import operations

#: The built user interface.
STATIC = Path(__file__).parent / "static"
#: Imported for their handlers.
NOUNS = (
    accounts,
    agents,
    artifacts,
    audit,
    backfills,
    bulk,
    claims,
    control,
    deletion,
    deliveries,
    flows,
    installation,
    invitations,
    keys,
    limits,
    logs,
    notifications,
    overview,
    projects,
    registration,
    removal,
    reports,
    resets,
    restarts,
    retention,
    run_queries,
    runs,
    schedules,
    sessions,
    sign_up,
    sign_up_rule,
    slas,
    task_events,
    task_runs,
    task_slots,
    variables,
    versions,
    ways_in,
)
LOOPS = (
    closing.loop,
    identity.last_use,
    limit_loop.loop,
    janitor.loop,
    janitor.room,
    outbox.loop,
    reaper.loop,
    scheduler.loop,
    audit_loop.loop,
    backfill_loop.loop,
    timekeeper.loop,
    takeover.loop,
    neighbours_loop.loop,
)


def build(settings: Settings, database: databases.Database, *, secret: bytes | None = None) -> Service:
    """The server over this database. Nothing runs yet."""
    secret = tokens.load_secret(settings) if secret is None else secret
    built = Service(
        settings=settings,
        database=database,
        registry=registry,
        tables=service.Tables(requests=tables.requests, loop_leases=tables.loop_leases),
        secret=secret,
        identify=identity.identify,
        csrf_token=functools.partial(tokens.csrf_token, secret),
        audit=neighbours.audited,
    )
    built.part(outbound.Outbound).allow(settings.private_receivers)
    built.part(leasing.Leasing).timing = leases.timed(settings.timing)
    built.websockets[live.PATH] = live.serve
    built.figures = figures.read
    oidc.set_up(built)
    neighbours.introduce(built)
    return built


def application(built: Service, readiness: Callable[[], str | None] = lambda: None) -> app.App:
    """The server's HTTP application."""
    return app.App(
        built, operations.OPERATIONS, title="Headrace", version=sessions.VERSION, ui=STATIC, ready=readiness
    )


def serve(
    settings: Settings, *, local_path: Path | None = None, started: Callable[[Service], None] | None = None
) -> None:
    """Runs a server until it is told to stop. `started` is called when it is ready.

    At `local_path` it leaves what `headrace up` needs. Without it a first start says on stderr how to sign in.

    Raises errors.SettingsError in words: a port in use, a database that another server holds, one to be upgraded.
    """
    leases.timed(settings.timing)  # before anything is made
    listener = serving.listen(settings.host, settings.port)

    async def main() -> None:
        with listener:
            database = databases.Database.open(settings.database, reserve=settings.disk_reserve_mb * 2**20)
            built = build(settings, database)
            readiness = serving.Readiness()

            async def prepare() -> None:
                await database.start()
                await migrations.prepare(database)
                await takeover.settle(built)
                if local_path is not None:
                    provision = functools.partial(local.provision, before=local.read(local_path))
                    local.write(local_path, await built.write(provision))
                elif (link := await built.write(local.first_link)) is not None:
                    sys.stderr.write(f"The first start. This link signs you in, once: {link}\n")

            await serving.serve(
                built,
                application(built, readiness),
                listener,
                duties=LOOPS,
                prepare=prepare,
                readiness=readiness,
                started=None if started is None else functools.partial(started, built),
            )

    serving.run(main)
