"""A way back in for whoever holds the database, when nobody can sign in: a link for a new password."""

import asyncio
from typing import Any

from headrace import errors
from headrace.server import app, migrations, resets
from headrace.settings import Settings
from headrace.web import database as databases
from headrace.web.handlers import Call


def reset_link(settings: Settings, email: str) -> str:
    """A link for whoever has this address. A SQLite file must not be in use by a server.

    Raises errors.NotFound, errors.SettingsError.
    """

    def work(call: Call[Any]) -> str:
        if migrations.revision_of(call.connection) != migrations.HEAD:
            raise errors.SettingsError("upgrade the database first: headrace database upgrade")
        return resets.make_for(call, email)

    async def main() -> str:
        database = databases.Database.open(settings.database)
        # no token of a run or of a page is made here, so any secret will do
        service = app.build(settings, database, secret=b"made for one link")
        try:
            return await service.write(work)
        finally:
            await service.close()

    return asyncio.run(main())
