"""Content that is source: the files of a folder as bytes that are the same for the same files, whoever packs them.

A line that says what this is, a line of JSON (which flow of which file, and the list of files), and the files.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from headrace import errors

#: What such content begins with.
MARK = b"headrace-source 1\n"
#: More than a flow's source is: a repository of data should not travel with each run.
LARGEST, MOST = 256 * 2**20, 20_000


class File(NamedTuple):
    """One file: its path below the folder, whether it can be executed, its bytes."""

    path: str
    executable: bool
    data: bytes


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Which flow it is: `flow` of the file `path`, which must be among the files. `commit` is for people."""

    path: str
    flow: str
    commit: str
    #: Path, whether it can be executed, and size of each file, in the order of their bytes.
    files: list[tuple[str, bool, int]]


def pack(path: str, flow: str, commit: str, files: Iterable[File]) -> bytes:
    """The content. Raises errors.ContentError for files that do not fit into one."""
    ordered = sorted(files)
    if len(ordered) > MOST or sum(len(file.data) for file in ordered) > LARGEST:
        raise errors.ContentError(
            f"more than {MOST} files or {LARGEST // 2**20} MB would go along with each run: narrow them with directory=."
        )
    if path not in (file.path for file in ordered):
        raise errors.ContentMissing(f"there is no file {path!r} at the commit {commit[:12]}.")
    for file in ordered:
        _check(file.path)
    head = Head(
        path=path,
        flow=flow,
        commit=commit,
        files=[(file.path, file.executable, len(file.data)) for file in ordered],
    )
    return b"".join([MARK, msgspec.json.encode(head), b"\n", *(file.data for file in ordered)])


def opened(content: bytes) -> tuple[Head, list[File]] | None:
    """What such content holds; None for any other content. Raises errors.ContentError."""
    if not content.startswith(MARK):
        return None
    line, mark, data = content[len(MARK) :].partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head)
    except msgspec.DecodeError:
        raise errors.ContentError(
            "the flow's content has no list of its files: register the flow again."
        ) from None
    if not mark or len(data) != sum(size for _, _, size in head.files):
        raise errors.ContentError("the flow's content is truncated: register the flow again.")
    files: list[File] = []
    begin = 0
    for path, executable, size in head.files:
        _check(path)
        files.append(File(path, executable, data[begin : begin + size]))
        begin += size
    return head, files


def write(files: Iterable[File], folder: Path) -> None:
    """Makes the folder with the files in it; nothing may be there yet. Only its owner can read it."""
    folder.mkdir(mode=0o700, parents=True)
    for file in files:
        _check(file.path)
        path = folder / file.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o700 if file.executable else 0o600), "wb") as handle:
            handle.write(file.data)


def _check(path: str) -> None:
    parts = path.split("/")
    if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise errors.ContentError(
            f"the flow's content names a file {path!r}, which is no path below a folder."
        )
