"""What a pod has written: lines with the time of each, so that reading goes on where it ended."""

from pathlib import Path

from headrace import launch

_FILE = "output.log"


def after(content: bytes, moment: str) -> launch.Output:
    """The lines that are younger than `moment`, without their times."""
    pieces: list[bytes] = []
    last = moment
    for line in content.splitlines(keepends=True):
        time, _, words = line.partition(b" ")
        stamp = time.decode(errors="replace")
        if _key(stamp) > _key(moment):
            pieces.append(words)
            last = stamp
    return launch.Output(b"".join(pieces), last)


def keep(directory: Path, content: bytes) -> None:
    """For when the pod is gone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _FILE).write_bytes(content)


def kept(directory: Path) -> bytes | None:
    try:
        return (directory / _FILE).read_bytes()
    except OSError:
        return None


def _key(stamp: str) -> str:
    """Times of RFC 3339 in UTC in the order in which they passed: fractions of a second are written as short as may be."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
