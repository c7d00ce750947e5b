"""Disks of a few megabytes, to be filled."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import lacking


@contextlib.contextmanager
def small(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A disk of its own at this folder, where root may make one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        lacking.missing("a disk of its own needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Not a byte is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path
