"""PostgreSQL that dies while a connection to it is made ready: the server tries again, and does not end."""

from typing import Any

import pytest
import sqlalchemy as sa

import stack as stacks
from headrace import errors
from headrace.web.database import Database
from running import Portal


def is_up(database: Database, portal: Portal) -> bool:
    try:
        portal.run(database.start())
    except errors.Unavailable:
        return False
    return True


@pytest.mark.postgres
def test_a_database_that_dies_while_it_is_connected_to_is_away_and_no_more(
    postgres_url: str, portal: Portal
) -> None:
    database = Database.open(postgres_url)
    engine = database._backend._engine.sync_engine  # type: ignore[attr-defined]
    cut: list[Any] = []
    is_dying = True

    def cut_off(connection: Any, _: Any) -> None:
        if is_dying:
            cut.append(connection)
            connection.driver_connection.terminate()

    sa.event.listen(engine, "connect", cut_off, insert=True)
    try:
        with pytest.raises(errors.Unavailable, match="does not answer"):
            portal.run(database.start())
        assert cut
        is_dying = False
        # new connections are tried again after a pause
        stacks.until(lambda: is_up(database, portal), "it has found the database", 30)
    finally:
        portal.run(database.close())
