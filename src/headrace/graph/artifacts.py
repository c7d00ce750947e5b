"""What tasks show people: `from headrace import artifacts`, and in a task `artifacts.markdown("# Done")`.

They are sent to the server, and everybody who may sign in sees them there. A run without a server has them in
`state.artifacts`.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from headrace import errors
from headrace.core import artifacts as core
from headrace.graph import context, showing
from headrace.wire import artifacts as wire

__all__ = ["Progress", "image", "link", "markdown", "progress", "table"]


def markdown(text: str, *, key: str = "", title: str = "") -> None:
    """Shows a text with CommonMark's marks. HTML in it is shown as text.

    What has the same `key` in the next run, or later in this one, is the next version of the same artifact.
    """
    body = wire.Markdown(_clean(text))
    if len(body.text.encode()) > core.MARKDOWN_BYTES:
        raise _too_large("markdown", key, f"at most {core.MARKDOWN_BYTES} bytes")
    _show(body, key, title)


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    *,
    columns: Sequence[str] | None = None,
    key: str = "",
    title: str = "",
) -> None:
    """Shows a table: rows as mappings or as sequences (then with `columns`), or a data frame.

    Cells are numbers, booleans, None, and the texts of everything else. A table is for people: at most 10,000 rows.
    """
    names, cells = _cells(rows, columns)
    if len(names) > core.COLUMNS or len(cells) > core.ROWS:
        size = f"at most {core.ROWS} rows of {core.COLUMNS} columns, not {len(cells)} of {len(names)}"
        raise _too_large("table", key, f"{size}: show the first, or a summary")
    uneven = next((place for place, row in enumerate(cells) if len(row) != len(names)), None)
    if uneven is not None:
        raise errors.Invalid(
            f"row {uneven} of the table has {len(cells[uneven])} cells, and there are {len(names)} columns:"
            f" {', '.join(names)}"
        )
    body = wire.Table(names, cells)
    if len(msgspec.json.encode(body)) > core.TABLE_BYTES:
        raise _too_large("table", key, f"at most {core.TABLE_BYTES} bytes: show the first rows, or a summary")
    _show(body, key, title)


def link(url: str, text: str = "", *, key: str = "", title: str = "") -> None:
    """Shows a link to an http or https address."""
    if not core.is_link(url):
        raise errors.Invalid(
            f"{url[:80]!r} cannot be linked to: an address begins with https:// or http://, has no spaces, and at"
            f" most {core.URL_CHARACTERS} characters"
        )
    _show(wire.Link(url, _clean(text)[: core.TITLE_CHARACTERS]), key, title)


def image(source: bytes | str | Path, *, alt: str = "", key: str = "", title: str = "") -> None:
    """Shows a PNG, JPEG, GIF or WebP image, given as bytes or by its path. Its bytes are kept on the server.

    `alt` says in words what is seen.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if len(data) > core.IMAGE_BYTES:
        raise _too_large("image", key, f"at most {core.IMAGE_BYTES} bytes, not {len(data)}")
    media_type = core.media_type(data)
    if not media_type:
        hint = ": save the drawing as PNG" if b"<svg" in data[:1000] else ""
        raise errors.Invalid(f"an image is PNG, JPEG, GIF or WebP, and this is none of them{hint}")
    _show(wire.Image(media_type, _clean(alt)[: core.TITLE_CHARACTERS]), key, title, image=data)


def progress(share: float | None = None, text: str = "", *, key: str = "", title: str = "") -> "Progress":
    """Shows how far something is, and answers with what brings it on: `bar.update(0.5)`.

    `share` is from 0 to 1; None: nobody knows.
    """
    return Progress(share, text, key=key, title=title)


class Progress:
    """A progress that is shown. Of many updates in a short time people see the last."""

    def __init__(self, share: float | None, text: str, *, key: str, title: str) -> None:
        self._token = uuid.uuid4().hex
        self._key, self._title, self._text = key, title, text
        self.update(share, text)

    def update(self, share: float | None = None, text: str | None = None) -> None:
        """Brings it to this share, which is cut to 0 and 1. A text that is not given stays."""
        if text is not None:
            self._text = _clean(text)[: core.TITLE_CHARACTERS]
        # of the comparisons with NaN none is true
        cut = None if share is None or share != share else min(1.0, max(0.0, float(share)))
        _show(wire.Progress(cut, self._text), self._key, self._title, token=self._token)


def _show(body: wire.Body, key: str, title: str, *, token: str = "", image: bytes = b"") -> None:
    sink, facts = showing.sink(), context.current()
    if sink is None or facts is None:
        raise errors.GraphError(
            f"artifacts.{wire.kind(body)}: artifacts are made while a flow runs, inside a task; this code runs outside one."
        )
    if not core.is_key(key):
        raise errors.Invalid(
            f"{key[:80]!r} cannot be a key: it has at most {core.TITLE_CHARACTERS} printable characters and no spaces around"
        )
    task = facts if isinstance(facts, context.Task) else None
    sink(
        wire.ArtifactRecord(
            at=datetime.now(UTC),
            body=body,
            key=key,
            title=_clean(title)[: core.TITLE_CHARACTERS],
            task=task.task_slug if task else None,
            map_index=task.map_index if task else -1,
            attempt=task.attempt if task else 1,
            token=token,
            image=image,
        )
    )


def _clean(text: str) -> str:
    """What no database takes, and no encoding knows, is replaced."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _cells(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], columns: Sequence[str] | None
) -> tuple[list[str], list[list[wire.Cell]]]:
    given: Any = rows
    if columns is None and hasattr(given, "itertuples") and hasattr(given, "columns"):  # a data frame
        columns, given = list(given.columns), given.itertuples(index=False, name=None)
    every: list[Any] = list(given)
    if columns is None:
        if not all(isinstance(row, Mapping) for row in every):
            raise errors.Invalid(
                'A table of plain rows needs names for its columns: `artifacts.table(rows, columns=["day", "sum"])`.'
            )
        # in the order in which they come up
        columns = list(dict.fromkeys(name for row in every for name in row))
    return [_clean(str(name)) for name in columns], [_row(row, columns) for row in every]


def _row(row: Any, columns: Sequence[str]) -> list[wire.Cell]:
    if isinstance(row, Mapping):
        named = cast("Mapping[str, Any]", row)
        return [_cell(named.get(name)) for name in columns]
    return [_cell(value) for value in row]


def _cell(value: Any) -> wire.Cell:
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and -(2**53) < value < 2**53:
        return value
    if type(value) is float:
        # JSON knows no infinity
        return value if value - value == 0 else str(value)
    return _clean(str(value))


def _too_large(kind: str, key: str, limit: str) -> errors.TooLarge:
    return errors.TooLarge(f"the {kind}{f' {key!r}' if key else ''} is too large to be shown: {limit}")
