"""The server put together: its handlers, loops and tables over one database."""

from headrace.server import accounts, identity, keys, sessions, tables, tokens
from headrace.server.service import Service, registry
from headrace.settings import Settings
from headrace.web import database as databases
from headrace.web import service

__all__ = ["NOUNS", "build"]

#: Imported for their handlers.
NOUNS = (accounts, keys, sessions)


def build(settings: Settings, database: databases.Database, *, secret: bytes | None = None) -> Service:
    """The server over this database, which must be prepared. Nothing runs yet."""
    return Service(
        settings=settings,
        database=database,
        registry=registry,
        tables=service.Tables(requests=tables.requests, loop_leases=tables.loop_leases),
        secret=tokens.load_secret(settings) if secret is None else secret,
        identify=identity.identify,
    )
