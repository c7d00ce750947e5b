"""The store of results: a directory of values that tasks persisted, cached or wrote to their targets.

Values are written under names of their own and never changed; what moves is a small pointer file, replaced in one
step. So any number of processes may share a store without locks, and a reader sees an old value or a new one, whole.
"""

import contextlib
import dataclasses
import hashlib
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from headrace import errors
from headrace.engine import serializers
from headrace.executors import tracebacks
from headrace.graph import options
from headrace.wire import runs


class _Pointer(msgspec.Struct):
    """What a cache's entry says: which value, and when it was made (seconds since 1970)."""

    result: runs.ResultRef
    made_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class ResultStore:
    """Results under one directory, which is made when something is written."""

    directory: Path

    def write(
        self, value: Any, place: str, serializer: str | options.Serializer | None = None
    ) -> runs.ResultRef:
        """Keeps the value at the place: a path under the directory, or an absolute one. Raises errors.ResultError."""
        path = self.locate(place)
        chosen = serializers.find(serializer)
        try:
            data = chosen.dumps(value)
        except Exception as error:
            raise errors.ResultError(
                f"a {type(value).__name__} cannot be stored by the serializer '{chosen.name}': {tracebacks.sentence(error)}; "
                "choose another one (serializer=…), or return what it can store"
            ) from error
        try:
            _replace(path, data)
        except OSError as error:
            raise errors.ResultError(f"the result cannot be written to {path}: {error.strerror}") from error
        return runs.ResultRef(
            location=str(path), size=len(data), kind=type(value).__name__, serializer=chosen.name
        )

    def read(self, result: runs.ResultRef, serializer: str | options.Serializer | None = None) -> Any:
        """The value. `serializer` is the task's own, where it has one. Raises errors.ResultError."""
        try:
            data = Path(result.location).read_bytes()
        except OSError as error:
            raise errors.ResultError(
                f"the result at {result.location} cannot be read: {error.strerror}"
            ) from error
        if result.size and len(data) != result.size:
            raise errors.ResultError(
                f"the result at {result.location} has {len(data)} bytes and not {result.size}: it is not whole"
            )
        own = serializer if getattr(serializer, "name", None) == result.serializer else None
        chosen = serializers.find(own or result.serializer)
        try:
            return chosen.loads(data)
        except Exception as error:
            raise errors.ResultError(
                f"the result at {result.location} cannot be read by '{chosen.name}': {tracebacks.sentence(error)}"
            ) from error

    def at(self, place: str, serializer: str | options.Serializer | None = None) -> runs.ResultRef | None:
        """What lies at a target, if anything does."""
        path = self.locate(place)
        if not path.is_file():
            return None
        return runs.ResultRef(location=str(path), serializer=serializers.find(serializer).name)

    def cached(self, key: str, expires: timedelta | None) -> runs.ResultRef | None:
        """The value kept under a cache's key, unless it is older than that."""
        try:
            pointer = msgspec.json.decode(self._pointer(key).read_bytes(), type=_Pointer)
        except (OSError, msgspec.MsgspecError):  # none, or one of another version: as good as none
            return None
        age = time.time() - pointer.made_at
        return None if expires is not None and age >= expires.total_seconds() else pointer.result

    def cache(
        self, value: Any, key: str, serializer: str | options.Serializer | None = None
    ) -> runs.ResultRef:
        """Keeps the value under a cache's key. Raises errors.ResultError."""
        entry = self._pointer(key)
        result = self.write(value, str(entry.with_name(f"{entry.stem}-{uuid.uuid4().hex[:12]}")), serializer)
        try:
            _replace(entry, msgspec.json.encode(_Pointer(result, time.time())))
        except OSError as error:
            raise errors.ResultError(f"the cache cannot be written to {entry}: {error.strerror}") from error
        return result

    def locate(self, place: str) -> Path:
        return self.directory / Path(place).expanduser()

    def _pointer(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.directory / "cache" / name[:2] / f"{name}.json"


def place(run_id: str, fence: int, slug: str, map_index: int) -> str:
    """Where a run's persisted result goes. Each holder of a run has its own folder: a late one overwrites nothing."""
    name = f"{slug}.result" if map_index < 0 else f"{slug}/{map_index}.result"
    return f"runs/{run_id}/{fence}/{name}"


def _replace(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
