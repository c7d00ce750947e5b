"""A standby that takes over from PostgreSQL's primary, or the past played back: noticed, and taken for a new epoch.

What the primary acknowledged last, a standby that follows behind may not have. Which fences and ends of runs that was nobody
can tell, so all that holds after a restore holds then, too.
"""

from typing import Any

import sqlalchemy as sa

from headrace.server import epochs, migrations, tables
from headrace.web.handlers import Call

_epochs = tables.epochs
_place = sa.text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
)
_known = sa.select(_epochs.c.number, _epochs.c.place).order_by(_epochs.c.number.desc()).limit(1)
_keep = sa.update(_epochs).where(_epochs.c.number == sa.bindparam("epoch"))


def settle(call: Call[Any]) -> epochs.Begun | None:
    """Begins a new epoch where another server has the database than before. Of several that notice it one does."""
    connection = call.connection
    if connection.dialect.name != "postgresql":
        return None
    migrations.lock(connection)
    place = str(connection.scalar(_place))
    number, before = connection.execute(_known).one()
    begun = None
    if before is not None and before != place:
        begun = epochs.begin(call, "taken over by another PostgreSQL server")
        number = begun.number
    if before != place:
        connection.execute(_keep.values(place=place), {"epoch": number})
    return begun
