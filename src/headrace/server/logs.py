"""Logs: kept in order, each record once; filtered, sorted, searched here, or whole as a file."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import holders, run_queries, tables
from headrace.server.notices import Notices
from headrace.server.service import handles, streams
from headrace.web import many, pages
from headrace.web.handlers import Call, Caller, Download
from headrace.wire import logs, operations, runs

#: A record's number is its attempt's fence times this, and its place in the attempt.
_ATTEMPT = 2**32
#: Characters of one message that are kept.
_LONGEST = 64 * 1024
_MOST_RECORDS = 5_000
#: Rows read at a time for a download.
_CHUNK = 2_000

_logs = tables.logs
_exists = sa.select(tables.flow_runs.c.name).where(tables.flow_runs.c.id == sa.bindparam("id"))

LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


@handles(operations.write_logs)
def write_logs(call: Call[Any], request: runs.WriteLogs) -> runs.Written:
    if len(request.records) > _MOST_RECORDS:
        raise errors.TooLarge(f"{len(request.records)} records in one batch; the most is {_MOST_RECORDS}")
    holder = holders.writing(call, request.flow_run_id, request.fence)
    expected = holders.expected(call, holder, "logs")
    if request.seq > expected:
        raise errors.Conflict(f"records {expected} to {request.seq - 1} have not arrived", next_seq=expected)
    new = request.records[expected - request.seq :]
    following = expected + len(new)
    if new and call.service.database.short_of_room:
        # refusing them would hold up what comes behind them, the run's end included
        dropped = f"{len(new)} lines dropped: the server's disk is full"
        new = [msgspec.structs.replace(new[0], message=dropped)]
    if new:
        base = request.fence * _ATTEMPT + expected
        kept = [_row(request.flow_run_id, base + at, holder.attempt, line) for at, line in enumerate(new)]
        many.insert(call.connection, _logs, kept)
        holders.advance(call, holder, "logs", following)
        topic = f"logs:{request.flow_run_id}"
        call.after_commit(lambda: call.service.part(Notices).changed(topic))
    return runs.Written(next_seq=max(expected, request.seq + len(request.records)), orders=holder.orders)


@handles(operations.list_logs)
def list_logs(call: Call[Any], request: logs.ListLogs) -> wire.Page[logs.LogLine]:
    shown = pages.limit(request.limit)
    by_level = request.sort.endswith("level")
    keys = (_logs.c.level, _logs.c.number) if by_level else (_logs.c.number,)
    down = request.sort.startswith("-")
    # within one level records stay in the order in which they were made
    order = [key.desc() if down and key is keys[0] else key.asc() for key in keys]
    query = sa.select(_logs).where(*_filters(call, request)).order_by(*order).limit(shown + 1)
    if request.after:
        query = query.where(_beyond(pages.read(request.after, tuple[int, int]), by_level, down))
    rows = call.connection.execute(query).all()
    kept, following = pages.cut(rows, shown, lambda row: (row.level, row.number))
    return wire.Page(items=[_line(row) for row in kept], next=following)


@handles(operations.count_logs)
def count_logs(call: Call[Any], request: logs.ListLogs) -> logs.CountLogs:
    query = sa.select(_logs.c.level, sa.func.count()).where(*_filters(call, request)).group_by(_logs.c.level)
    levels = {str(level): count for level, count in call.connection.execute(query)}
    return logs.CountLogs(total=sum(levels.values()), levels=levels)


def _beyond(cursor: tuple[int, int], by_level: bool, down: bool) -> sa.ColumnElement[bool]:
    """What comes after the row with this level and number, in the list's order."""
    level, number = cursor
    if not by_level:
        return _logs.c.number < number if down else _logs.c.number > number
    further = _logs.c.level < level if down else _logs.c.level > level
    return sa.or_(further, sa.and_(_logs.c.level == level, _logs.c.number > number))


def _filters(call: Call[Any], request: logs.ListLogs | logs.DownloadLogs) -> list[sa.ColumnElement[bool]]:
    """The conditions of a list, a count and a download. NotFound where there is no such run."""
    run_queries.visible(call, request.flow_run_id)
    found: list[sa.ColumnElement[bool]] = [_logs.c.flow_run_id == request.flow_run_id]
    if request.level:
        found.append(_logs.c.level >= request.level)
    if request.task:
        found.append(_logs.c.task == request.task)
    if request.search:
        found.append(_logs.c.message.icontains(request.search, autoescape=True))
    if request.map_index is not None:
        found.append(_logs.c.map_index == request.map_index)
    if request.since is not None:
        found.append(_logs.c.at >= request.since)
    if request.until is not None:
        found.append(_logs.c.at < request.until)
    return found


@streams(operations.download_logs)
async def download_logs(service: Any, caller: Caller, request: logs.DownloadLogs) -> Download:
    """The whole log, read a part at a time, so that its size costs no memory."""

    def read(call: Call[Any]) -> tuple[str | None, list[sa.ColumnElement[bool]]]:
        name = call.connection.execute(_exists, {"id": request.flow_run_id}).scalar_one_or_none()
        return name, _filters(call, request)

    name, conditions = await service.read(read)
    endings = {
        "text": ("log", "text/plain; charset=utf-8"),
        "csv": ("csv", "text/csv; charset=utf-8"),
        "ndjson": ("ndjson", "application/x-ndjson"),
    }
    ending, media_type = endings[request.format]
    return Download(f"{name}.{ending}", media_type, _chunks(service, conditions, WRITERS[request.format]))


async def _chunks(
    service: Any, conditions: list[sa.ColumnElement[bool]], write: "Writer"
) -> AsyncIterator[bytes]:
    number = -1
    while True:
        query = (
            sa.select(_logs)
            .where(*conditions, _logs.c.number > number)
            .order_by(_logs.c.number)
            .limit(_CHUNK)
        )

        def read(call: Call[Any], query: sa.Select[*tuple[Any, ...]] = query) -> Sequence[Any]:
            return call.connection.execute(query).all()

        rows: Sequence[Any] = await service.read(read)
        if rows or number < 0:
            yield write([_line(row) for row in rows], number < 0).encode()
        if len(rows) < _CHUNK:
            return
        number = rows[-1].number


#: Writes a part of the file; the flag says that it is the first.
Writer = Callable[[Sequence[logs.LogLine], bool], str]


def level_name(level: int) -> str:
    return LEVELS.get(level, f"Level {level}")


def where(line: logs.LogLine) -> str:
    """The task run of a line: `clean`, or `clean[3]` for a mapped child."""
    return "" if line.task is None else line.task if line.map_index < 0 else f"{line.task}[{line.map_index}]"


def _as_text(lines: Sequence[logs.LogLine], _: bool) -> str:
    # one record one line: a message cannot pretend to be several
    return "".join(
        f"{line.at.isoformat(timespec='milliseconds')} {level_name(line.level):8} {line.logger} {where(line) or '-'} "
        f"{_one_line(line.message)}\n"
        for line in lines
    )


def _one_line(message: str) -> str:
    return message.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _as_csv(lines: Sequence[logs.LogLine], first: bool) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    if first:
        writer.writerow(["time", "level", "logger", "task", "map_index", "attempt", "message"])
    for line in lines:
        place = line.map_index if line.map_index >= 0 else ""
        writer.writerow(
            [
                line.at.isoformat(),
                level_name(line.level),
                line.logger,
                line.task or "",
                place,
                line.attempt,
                safe_cell(line.message),
            ]
        )
    return file.getvalue()


def safe_cell(cell: str) -> str:
    """A spreadsheet must not take a message for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _as_ndjson(lines: Sequence[logs.LogLine], _: bool) -> str:
    return "".join(msgspec.json.encode(line).decode() + "\n" for line in lines)


WRITERS: dict[str, Writer] = {"text": _as_text, "csv": _as_csv, "ndjson": _as_ndjson}


def _row(flow_run_id: UUID, number: int, attempt: int, record: runs.LogRecord) -> dict[str, Any]:
    message = record.message.replace("\x00", "\ufffd")
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]} … ({len(message) - _LONGEST} characters more)"
    return {
        "flow_run_id": flow_run_id,
        "number": number,
        "attempt": attempt,
        "at": record.at,
        "level": record.level,
        "logger": record.logger[:200],
        "message": message,
        "task": record.task,
        "map_index": record.map_index,
    }


def _line(row: Any) -> logs.LogLine:
    return logs.LogLine(
        number=row.number,
        attempt=row.attempt,
        at=row.at,
        level=row.level,
        logger=row.logger,
        message=row.message,
        task=row.task,
        map_index=row.map_index,
    )
