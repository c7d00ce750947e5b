"""Artifacts: what tasks show people."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from headrace import wire

Cell = str | int | float | bool | None


class Markdown(wire.Message, frozen=True, tag="markdown", tag_field="kind"):
    """A text with CommonMark's marks. Whoever shows it lets no HTML of it through."""

    text: str


class Table(wire.Message, frozen=True, tag="table", tag_field="kind"):
    """Rows of as many cells as there are columns."""

    columns: list[str]
    rows: list[list[Cell]]


class Link(wire.Message, frozen=True, tag="link", tag_field="kind"):
    """An address of the web; `text` is what is shown of it."""

    url: str
    text: str = ""


class Image(wire.Message, frozen=True, tag="image", tag_field="kind"):
    """A picture, whose bytes `download_artifact` sends. `alt` says in words what is seen."""

    media_type: str
    alt: str = ""


class Progress(wire.Message, frozen=True, tag="progress", tag_field="kind"):
    """How far something is: `share` from 0 to 1, None where nobody knows."""

    share: float | None = None
    text: str = ""


Body = Markdown | Table | Link | Image | Progress
KindName = Literal["markdown", "table", "link", "image", "progress"]


def kind(body: Body) -> str:
    """The word for what is shown."""
    return str(type(body).__struct_config__.tag)


class ArtifactRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An artifact as a run process sends it. `task` is a slug; None: the run itself made it.

    `token` is the same each time that a progress goes on, and replaces what was known of it; others have none. `image`
    holds the bytes of an image.
    """

    at: datetime
    body: Body
    key: str = ""
    title: str = ""
    task: str | None = None
    map_index: int = -1
    attempt: int = 1
    token: str = ""
    image: bytes = b""

    @property
    def kind(self) -> str:
        return kind(self.body)


class WriteArtifacts(wire.Message, frozen=True, kw_only=True):
    """Artifacts number `seq` … of this run and fence; those already known are passed over."""

    flow_run_id: UUID
    fence: int
    seq: int
    artifacts: list[ArtifactRecord]


class ListArtifacts(wire.Message, frozen=True, kw_only=True):
    """Of a flow run, or of a flow over all its runs; newest first.

    `key`: only the versions of this one. `latest`: of each key only the last version (of the run, or of the flow).
    """

    flow_run_id: UUID | None = None
    flow_id: UUID | None = None
    task: str | None = None
    map_index: int | None = None
    key: str | None = None
    kind: KindName | None = None
    latest: bool = False
    sort: Literal["time", "-time"] = "-time"
    after: str | None = None
    limit: int = 100


class ArtifactRef(wire.Message, frozen=True, kw_only=True):
    artifact_id: UUID


class Artifact(wire.Answer, frozen=True, kw_only=True):
    """`version` numbers what has the same `key` over all runs of the flow, from 1; it is 0 where there is no key.

    In lists `body` is None where it is long: `read_artifact` gives it. `size` is in bytes, of an image its own.
    """

    id: UUID
    flow_run_id: UUID
    flow_run: str
    flow_id: UUID
    flow: str
    project: str
    task: str | None
    map_index: int
    attempt: int
    kind: KindName
    key: str
    version: int
    title: str
    size: int
    body: Body | None
    created_at: datetime
    updated_at: datetime
