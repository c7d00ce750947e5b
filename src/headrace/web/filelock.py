"""A lock that one process holds on a file's name, gone with the process however it ends."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from headrace import errors


class FileLock:
    """Held from its making until `release`."""

    def __init__(self, path: Path, refusal: str) -> None:
        """`refusal` says what is taken when somebody else holds the lock. Raises errors.SettingsError then.

        Raises OSError where the file cannot be made or written; nothing is left of it.
        """
        self._path = path
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                who = f" (process {holder})" if holder.isdigit() else ""
                raise errors.SettingsError(f"{refusal}{who}: stop that one, or name another") from None
            if self._is_named(descriptor):
                break
            os.close(descriptor)  # its holder removed the name between our open and our lock
        self._descriptor: int | None = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except OSError as error:
            # on a full disk it is held all the same: only who is refused is not told by whom
            if error.errno != errno.ENOSPC:
                self.release()
                raise

    def release(self) -> None:
        """Removes the name, then lets go: whoever opened the name before finds it gone and opens it anew."""
        if self._descriptor is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def _is_named(self, descriptor: int) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(descriptor).st_ino
        except FileNotFoundError:
            return False
