"""Kinds of columns that both databases know, and the one MetaData of all tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import functions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC time: TIMESTAMPTZ on PostgreSQL, whole microseconds since 1970 on SQLite."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(
            sa.TIMESTAMP(timezone=True) if dialect.name == "postgresql" else sa.BigInteger()
        )

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return EPOCH + timedelta(microseconds=value)


class later(functions.FunctionElement[datetime]):  # noqa: N801 - used as a function
    """`later(instant, seconds)`: an Instant so many seconds on, worked out by the database."""

    type = Instant()
    name = "later"
    inherit_cache = True


def _later_in_microseconds(element: later, compiling: Any, **options: Any) -> str:
    moment, seconds = (compiling.process(each, **options) for each in element.clauses)
    return f"({moment} + CAST({seconds} * 1000000 AS INTEGER))"


def _later_as_interval(element: later, compiling: Any, **options: Any) -> str:
    moment, seconds = (compiling.process(each, **options) for each in element.clauses)
    return f"({moment} + make_interval(secs => {seconds}))"


compiler.compiles(later, "sqlite")(_later_in_microseconds)
compiler.compiles(later, "postgresql")(_later_as_interval)


class Json(sa.TypeDecorator[Any]):
    """JSON text, written and read by msgspec: the database is not asked about its inside."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
