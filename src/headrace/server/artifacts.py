"""Artifacts: what tasks show people, in order, each once; versions of a key over a flow's runs; files of them.

They never hold up or end the run that made them: what cannot be kept is passed over.
"""

import csv
import io
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import artifacts as core_artifacts
from headrace.server import holders, logs, notices, run_queries, tables
from headrace.server.service import Service, handles, streams
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller, Download
from headrace.wire import artifacts, operations, runs

log = logging.getLogger(__name__)

_artifacts = tables.artifacts
_images = tables.artifact_images
_runs = tables.flow_runs

#: The most artifacts in one batch.
_MOST = 2_000
#: Bytes of a body that is shown in lists.
SHOWN_BYTES = 16 * 1024

_flow_of = sa.select(_runs.c.flow_id).where(_runs.c.id == sa.bindparam("run"))
_held = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_artifacts.c.size), 0)).where(
    _artifacts.c.flow_run_id == sa.bindparam("run")
)
_insert = sa.insert(_artifacts)
_insert_image = sa.insert(_images)
_go_on = (
    sa.update(_artifacts)
    .where(_artifacts.c.flow_run_id == sa.bindparam("run"), _artifacts.c.token == sa.bindparam("of"))
    .values(
        body=sa.bindparam("new_body"),
        title=sa.bindparam("new_title"),
        size=sa.bindparam("new_size"),
        attempt=sa.bindparam("new_attempt"),
        updated_at=sa.bindparam("at"),
    )
)
# As text, for naming a dialect's statement imports the whole dialect. The row of the key is held until the commit: two
# runs of a flow get two numbers.
_number = sa.text(
    "INSERT INTO artifact_keys (flow_id, key, version) VALUES (:flow, :key, :count)"
    " ON CONFLICT (flow_id, key) DO UPDATE SET version = artifact_keys.version + :count RETURNING version"
).bindparams(sa.bindparam("flow", type_=sa.Uuid()), sa.bindparam("count", type_=sa.Integer()))
_named = (
    sa.select(
        *(column for column in _artifacts.columns if column.name != "body"),
        _runs.c.name.label("flow_run"),
        tables.flows.c.name.label("flow"),
        tables.projects.c.name.label("project"),
    )
    .join(_runs, _runs.c.id == _artifacts.c.flow_run_id)
    .join(tables.flows, tables.flows.c.id == _artifacts.c.flow_id)
    .join(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
)
_short = sa.case((_artifacts.c.size <= SHOWN_BYTES, _artifacts.c.body), else_=None)
_select = _named.add_columns(
    sa.case((_artifacts.c.kind == "image", _artifacts.c.body), else_=_short).label("body")
)
_one = _named.add_columns(_artifacts.c.body).where(_artifacts.c.id == sa.bindparam("id"))
_data = sa.select(_images.c.data).where(_images.c.artifact_id == sa.bindparam("id"))


# --- what runs send ---


@handles(operations.write_artifacts)
def write_artifacts(call: Call[Any], request: artifacts.WriteArtifacts) -> runs.Written:
    """A gap is what an older server could not take, and no reason to end the run."""
    if len(request.artifacts) > _MOST:
        raise errors.TooLarge(f"{len(request.artifacts)} artifacts in one batch; the most is {_MOST}")
    for place, record in enumerate(request.artifacts):
        _check(record, place)
    holder = holders.writing(call, request.flow_run_id, request.fence, lock=True)
    expected = holders.expected(call, holder, "artifacts")
    following = max(expected, request.seq + len(request.artifacts))
    new = request.artifacts[max(0, expected - request.seq) :]
    if new:
        if call.service.database.short_of_room:
            log.warning("run %s: %s artifacts are not kept: the disk is full", holder.run_id, len(new))
        else:
            _keep(call, holder, new)
        holders.advance(call, holder, "artifacts", following)
        changed = call.service.part(notices.Notices).changed
        call.after_commit(lambda: changed(f"artifacts:{holder.run_id}"))
    return runs.Written(next_seq=following, orders=holder.orders)


def _check(record: artifacts.ArtifactRecord, place: int) -> None:
    """Refuses what no run process of ours sends, before anything is kept."""
    match record.body:
        case artifacts.Link(url=url) if not core_artifacts.is_link(url):
            problem = "a link leads to an http or https address"
        case artifacts.Image() if len(record.image) > core_artifacts.IMAGE_BYTES:
            problem = f"an image has at most {core_artifacts.IMAGE_BYTES} bytes"
        case artifacts.Image() if not core_artifacts.media_type(record.image):
            problem = "an image is PNG, JPEG, GIF or WebP"
        case artifacts.Progress() if not record.token:
            problem = "a progress has a token"
        case artifacts.Table(columns=columns, rows=rows) if any(len(row) != len(columns) for row in rows):
            problem = "a row has as many cells as there are columns"
        case body if not isinstance(body, artifacts.Image) and _size(record) > core_artifacts.TABLE_BYTES:
            problem = f"it has more than {core_artifacts.TABLE_BYTES} bytes"
        case _ if not core_artifacts.is_key(record.key) or record.at.tzinfo is None:
            problem = "its key, or its time, is none"
        case _:
            return
    raise errors.Invalid(f"artifact {place}: {problem}", fields={f"artifacts[{place}]": problem})


def _size(record: artifacts.ArtifactRecord) -> int:
    if isinstance(record.body, artifacts.Image):
        return len(record.image)
    return len(msgspec.json.encode(record.body))


def _keep(call: Call[Any], holder: holders.Holder, new: Sequence[artifacts.ArtifactRecord]) -> None:
    flow_id: UUID = call.connection.execute(_flow_of, {"run": holder.run_id}).scalar_one()
    count, held = call.connection.execute(_held, {"run": holder.run_id}).one()
    rows: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for record in _going_on(call, holder, new):
        size = _size(record)
        if count + len(rows) >= core_artifacts.MOST or held + size > core_artifacts.MOST_BYTES:
            continue
        held += size
        rows.append(_row(call, holder, flow_id, record, size))
        if isinstance(record.body, artifacts.Image):
            images.append({"artifact_id": rows[-1]["id"], "data": record.image})
    _give_numbers(call, flow_id, rows)
    if rows:
        call.connection.execute(_insert, rows)
    if images:
        call.connection.execute(_insert_image, images)


def _going_on(
    call: Call[Any], holder: holders.Holder, new: Sequence[artifacts.ArtifactRecord]
) -> list[artifacts.ArtifactRecord]:
    """Brings progresses that are known to where they are now; the answer is what is new."""
    last = {record.token: record for record in new if record.token}
    fresh = [record for record in new if not record.token]
    for token, record in last.items():
        values = {
            "run": holder.run_id,
            "of": token[: core_artifacts.TITLE_CHARACTERS],
            "new_body": record.body,
            "new_title": _text(record.title),
            "new_size": _size(record),
            "new_attempt": record.attempt,
            "at": call.now,
        }
        if not call.connection.execute(_go_on, values).rowcount:
            fresh.append(record)
    return fresh


def _row(
    call: Call[Any], holder: holders.Holder, flow_id: UUID, record: artifacts.ArtifactRecord, size: int
) -> dict[str, Any]:
    body = record.body
    if isinstance(body, artifacts.Image):
        # what the bytes are, and not what was said of them, is what is sent with them
        body = msgspec.structs.replace(body, media_type=core_artifacts.media_type(record.image))
    return {
        "id": ids.uuid7(),
        "flow_run_id": holder.run_id,
        "flow_id": flow_id,
        "task": None if record.task is None else _text(record.task),
        "map_index": record.map_index,
        "attempt": record.attempt,
        "kind": record.kind,
        "key": record.key,
        "version": 0,
        "token": record.token[: core_artifacts.TITLE_CHARACTERS],
        "title": _text(record.title),
        "body": body,
        "size": size,
        "created_at": call.now,
        "updated_at": call.now,
    }


def _give_numbers(call: Call[Any], flow_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Each key's next numbers; in the order of keys, so that two runs do not wait for each other."""
    for key in sorted({row["key"] for row in rows if row["key"]}):
        own = [row for row in rows if row["key"] == key]
        values = {"flow": flow_id, "key": key, "count": len(own)}
        last: int = call.connection.execute(_number, values).scalar_one()
        for version, row in enumerate(own, last - len(own) + 1):
            row["version"] = version


def _text(text: str) -> str:
    return text.replace("\x00", "\ufffd")[: core_artifacts.TITLE_CHARACTERS]


# --- what people read ---


@handles(operations.list_artifacts)
def list_artifacts(call: Call[Any], request: artifacts.ListArtifacts) -> wire.Page[artifacts.Artifact]:
    shown = pages.limit(request.limit)
    order = _artifacts.c.id.asc() if request.sort == "time" else _artifacts.c.id.desc()
    query = _select.where(*_filters(call, request)).order_by(order).limit(shown + 1)
    if request.after:
        last = pages.read(request.after, UUID)
        query = query.where(_artifacts.c.id > last if request.sort == "time" else _artifacts.c.id < last)
    rows = call.connection.execute(query).all()
    page, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=[_artifact(row) for row in page], next=following)


@handles(operations.read_artifact)
def read_artifact(call: Call[Any], request: artifacts.ArtifactRef) -> artifacts.Artifact:
    row = call.connection.execute(_one, {"id": request.artifact_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no artifact {request.artifact_id}")
    return _artifact(row)


def _filters(call: Call[Any], request: artifacts.ListArtifacts) -> list[sa.ColumnElement[bool]]:
    if (request.flow_run_id is None) == (request.flow_id is None):
        sentence = "say of which flow run, or of which flow"
        raise errors.Invalid(sentence, fields={"flow_run_id": sentence, "flow_id": sentence})
    found: list[sa.ColumnElement[bool]] = []
    if request.flow_run_id is not None:
        run_queries.visible(call, request.flow_run_id)
        found.append(_artifacts.c.flow_run_id == request.flow_run_id)
    else:
        found.append(_artifacts.c.flow_id == request.flow_id)
    found += [
        _artifacts.c[field] == wanted
        for field in ("task", "map_index", "key", "kind")
        if (wanted := getattr(request, field)) is not None
    ]
    if request.latest:
        later = _artifacts.alias("later")
        of_run = [later.c.flow_run_id == _artifacts.c.flow_run_id] if request.flow_run_id is not None else []
        is_later = [later.c.key == _artifacts.c.key, later.c.version > _artifacts.c.version]
        found.append(_artifacts.c.key != "")
        found.append(~sa.exists().where(later.c.flow_id == _artifacts.c.flow_id, *is_later, *of_run))
    return found


def _artifact(row: Any) -> artifacts.Artifact:
    names = [field for field in artifacts.Artifact.__struct_fields__ if field != "body"]
    body = None if row.body is None else msgspec.convert(row.body, artifacts.Body)
    return artifacts.Artifact(body=body, **{name: getattr(row, name) for name in names})


# --- files ---


@streams(operations.download_artifact)
async def download_artifact(service: Service, caller: Caller, request: artifacts.ArtifactRef) -> Download:
    """Always to be saved, never to be opened in our name; an `<img>` shows it all the same."""

    def read(call: Call[Any]) -> tuple[artifacts.Artifact, bytes]:
        found = read_artifact(call, request)
        data = call.connection.execute(_data, {"id": found.id}).scalar_one_or_none()
        return found, data or b""

    found, data = await service.read(read)
    stem = found.key or found.title or f"{found.flow_run}-{found.task or found.flow}"
    match found.body:
        case artifacts.Image(media_type=media_type):
            return Download(f"{stem}.{core_artifacts.ENDINGS[media_type]}", media_type, _whole(data))
        case artifacts.Markdown(text=text):
            return Download(f"{stem}.md", "text/markdown; charset=utf-8", _whole(text.encode()))
        case artifacts.Table() as table:
            return Download(f"{stem}.csv", "text/csv; charset=utf-8", _whole(_csv(table).encode()))
        case _:
            raise errors.Invalid(f"a {found.kind} has no file: `headrace artifacts show {found.id}`")


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _csv(table: artifacts.Table) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    for row in (table.columns, *table.rows):
        writer.writerow([logs.safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()
