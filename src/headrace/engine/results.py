"""The store of results: a directory, or a bucket, of values that tasks persisted, cached or wrote to their targets.

Values are written under names of their own and never changed; what moves is a small pointer file, replaced in one
step. So any number of processes may share a store without locks, and a reader sees an old value or a new one, whole.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from headrace import errors
from headrace.engine import packs, prefixes, serializers
from headrace.executors import pickling, tracebacks
from headrace.graph import flow_options, options
from headrace.wire import runs, storage

#: Values of so many bytes and less lie together in a pack, larger ones have a file of their own.
SMALL = 64 * 1024
#: Where the results of runs lie in a store.
RUNS = "runs"
_DAY = 24 * 3600.0


class _Pointer(msgspec.Struct):
    """What a cache's entry says: which value, and when it was made (seconds since 1970)."""

    result: runs.ResultRef
    made_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class ResultStore:
    """Results under one directory, which is made when something is written, or below a prefix in a bucket."""

    directory: Path | prefixes.Prefix

    def write(
        self, value: Any, place: str, serializer: str | options.Serializer | None = None
    ) -> runs.ResultRef:
        """Keeps the value at the place: a path under the directory, an absolute one, or the URL of an object.

        Raises errors.ResultError.
        """
        chosen = serializers.find(serializer)
        return self._file(value, _bytes(value, chosen, None), place, chosen)

    def keep(
        self,
        value: Any,
        folder: str,
        name: str,
        serializer: str | options.Serializer | None = None,
        *,
        largest: int | None = None,
    ) -> runs.ResultRef:
        """Keeps the value in a run's folder; a small one beside others. Nobody finds it but by what this answers.

        Raises errors.ResultError, also for a value of more bytes than `largest`.
        """
        chosen = serializers.find(serializer)
        data = _bytes(value, chosen, largest)
        if len(data) > SMALL or isinstance(self.directory, prefixes.Prefix):
            return self._file(value, data, f"{folder}/{name}", chosen)
        try:
            frame = packs.append(self.directory, folder, data)
        except OSError as error:
            raise _unwritten(self.directory / folder, error) from error
        return runs.ResultRef(
            location=frame.path,
            size=len(data),
            kind=type(value).__name__,
            serializer=chosen.name,
            offset=frame.offset,
        )

    def _file(self, value: Any, data: bytes, place: str, chosen: options.Serializer) -> runs.ResultRef:
        location = self.locate(place)
        self._put(location, data)
        return runs.ResultRef(
            location=location, size=len(data), kind=type(value).__name__, serializer=chosen.name
        )

    def read(self, result: runs.ResultRef, serializer: str | options.Serializer | None = None) -> Any:
        """The value. `serializer` is the task's own, where it has one. Raises errors.ResultError."""
        data = self._get(result)
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

    def holds(self, result: runs.ResultRef) -> bool:
        """Whether there is a file that is large enough; `read` tells whether it is the value."""
        end = result.size if result.offset is None else packs.end(result.offset, result.size)
        try:
            if storage.is_bucket(result.location):
                size = self._prefix(result.location).size(result.location)
                return size is not None and size >= end
            return Path(result.location).stat().st_size >= end
        except (OSError, errors.ResultError):
            return False

    def at(self, place: str, serializer: str | options.Serializer | None = None) -> runs.ResultRef | None:
        """What lies at a target, if anything does."""
        location = self.locate(place)
        if storage.is_bucket(location):
            if self._prefix(location).size(location) is None:
                return None
        elif not Path(location).is_file():
            return None
        return runs.ResultRef(location=location, serializer=serializers.find(serializer).name)

    def cached(self, key: str, expires: timedelta | None) -> runs.ResultRef | None:
        """The value kept under a cache's key, unless it is older than that."""
        try:
            pointer = msgspec.json.decode(
                self._get(runs.ResultRef(location=self._pointer(key))), type=_Pointer
            )
        except (errors.ResultError, msgspec.MsgspecError):  # none, or one of another version: as good as none
            return None
        age = time.time() - pointer.made_at
        return None if expires is not None and age >= expires.total_seconds() else pointer.result

    def cache(
        self, value: Any, key: str, serializer: str | options.Serializer | None = None
    ) -> runs.ResultRef:
        """Keeps the value under a cache's key. Raises errors.ResultError."""
        entry = self._pointer(key)
        result = self.write(value, f"{entry.removesuffix('.json')}-{uuid.uuid4().hex[:12]}", serializer)
        self._put(entry, msgspec.json.encode(_Pointer(result, time.time())))
        return result

    def locate(self, place: str) -> str:
        """Where a place is: a path, or the URL of an object."""
        if storage.is_bucket(place):
            return place
        path = Path(place).expanduser()
        if isinstance(self.directory, Path):
            return str(self.directory / path)
        return str(path) if path.is_absolute() else f"{self.directory.place.url.rstrip('/')}/{place}"

    def _pointer(self, key: str) -> str:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.locate(f"cache/{name[:2]}/{name}.json")

    def _prefix(self, location: str) -> prefixes.Prefix:
        return self.directory if isinstance(self.directory, prefixes.Prefix) else prefixes.prefix(location)

    def _put(self, location: str, data: bytes) -> None:
        if storage.is_bucket(location):
            return self._prefix(location).write(location, data)
        try:
            _replace(Path(location), data)
        except OSError as error:
            raise _unwritten(Path(location), error) from error

    def _get(self, result: runs.ResultRef) -> bytes:
        if storage.is_bucket(result.location):
            return self._prefix(result.location).read(result.location)
        try:
            if result.offset is None:
                return Path(result.location).read_bytes()
            return packs.read(result.location, result.offset, result.size)
        except OSError as error:
            raise errors.ResultError(
                f"the result at {result.location} cannot be read: {error.strerror}"
            ) from error


def store(where: Path | str | flow_options.InBucket) -> ResultStore:
    """The store that a flow's `results=` names: a directory, the URL of a bucket, or an ObjectStore."""
    return ResultStore(where if isinstance(where, Path) else prefixes.prefix(where))


def folder(run_id: str, fence: int) -> str:
    """Where a run's persisted results go. Each holder of a run has its own: a late one overwrites nothing."""
    return f"{RUNS}/{run_id}/{fence}"


def name(slug: str, map_index: int) -> str:
    """The file of one result in there."""
    return f"{slug}.result" if map_index < 0 else f"{slug}/{map_index}.result"


def forget(directory: Path, older_than: timedelta) -> int:
    """Deletes the results of runs whose last holder began longer ago than that; how many runs they were of.

    It looks once a day, whoever asks. What a run still needs of them it computes again, and says so.
    """
    marker, now = directory / RUNS / ".looked", time.time()
    with contextlib.suppress(OSError):
        if now - marker.stat().st_mtime < _DAY:
            return 0
    found = 0
    try:
        marker.touch()
        for entry in list(os.scandir(marker.parent)):
            if entry.is_dir() and now - entry.stat().st_mtime > older_than.total_seconds():
                shutil.rmtree(entry.path, ignore_errors=True)
                found += 1
    except OSError:  # there are no results here, or they are not ours to delete
        return found
    return found


def _bytes(value: Any, chosen: options.Serializer, largest: int | None) -> bytes:
    try:
        pickles = isinstance(chosen, serializers.Pickle)
        data = pickling.dumps(value, largest) if pickles else chosen.dumps(value)
    except pickling.TooLargeError:
        raise _too_large(value, largest) from None
    except Exception as error:
        raise errors.ResultError(
            f"a {type(value).__name__} cannot be stored by the serializer '{chosen.name}': {tracebacks.sentence(error)}; "
            "choose another one (serializer=…), or return what it can store"
        ) from error
    if largest is not None and len(data) > largest:
        raise _too_large(value, largest)
    return data


def _too_large(value: Any, largest: int | None) -> errors.ResultError:
    return errors.ResultError(
        f"a {type(value).__name__} of more than {(largest or 0) / 2**20:g} MB is kept only where you say so (persist=True)"
    )


def _unwritten(path: Path, error: OSError) -> errors.ResultError:
    return errors.ResultError(f"the result cannot be written to {path}: {error.strerror}")


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
