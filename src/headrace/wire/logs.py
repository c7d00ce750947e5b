"""Reading a run's logs: filtered, sorted, searched on the server, or whole as a file."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from headrace import wire


class ListLogs(wire.Message, frozen=True, kw_only=True):
    """`level` is the lowest shown (20 is INFO). `search` finds the text anywhere in a message, case apart."""

    flow_run_id: UUID
    level: int = 0
    task: str | None = None
    map_index: int | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Literal["time", "-time", "level", "-level"] = "time"
    after: str | None = None
    limit: int = 500


class LogLine(wire.Answer, frozen=True, kw_only=True):
    """A kept record. `number` orders a run's records as they were made, over its attempts."""

    number: int
    attempt: int
    at: datetime
    level: int
    logger: str
    message: str
    task: str | None
    map_index: int


class CountLogs(wire.Answer, frozen=True, kw_only=True):
    """How many records a filter finds, in all and by level: for a scroll bar and the filter's buttons."""

    total: int
    levels: dict[str, int]


class DownloadLogs(wire.Message, frozen=True, kw_only=True):
    """The whole log as a file, streamed; the filters are those of a list."""

    flow_run_id: UUID
    format: Literal["text", "csv", "ndjson"] = "text"
    level: int = 0
    task: str | None = None
    map_index: int | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None
