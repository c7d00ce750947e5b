"""What an agent has launched, one small file each, so that it finds its runs again after its own end."""

import os
from pathlib import Path
from uuid import UUID

import msgspec

from headrace import launch


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One launched run. `state` is what its launcher needs to find it."""

    flow_run_id: UUID
    fence: int
    name: str
    state: launch.LaunchState

    @property
    def key(self) -> str:
        return self.state.name


class Journal:
    """A folder of entries. Each is written before its workload may begin."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, entry: Entry, *, first: bool) -> None:
        """Keeps the entry. The first time it is on the disk before this returns; a change outlives the agent, if not the host."""
        path = self._path(entry)
        draft = path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(entry))
            if first:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
        if first:
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def remove(self, entry: Entry) -> None:
        self._path(entry).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Those that are there; one that cannot be read is passed over, and the server's reaper sees to its run."""
        found: list[Entry] = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
            except (OSError, msgspec.DecodeError):
                path.unlink(missing_ok=True)
        return found

    def _path(self, entry: Entry) -> Path:
        return self._folder / f"{entry.key}.json"
