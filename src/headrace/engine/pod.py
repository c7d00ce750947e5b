"""The first process of a run's pod: makes the run's directory out of what was mounted, supervises, and says how it ended.

`python -m headrace.engine.pod HANDOVER_FOLDER FOLDER`. The handover was mounted for the pod and cannot be deleted in it;
that no second pod takes it is the server's to see: it admits one process for a fence.
"""

import os
import sys
from pathlib import Path

import msgspec

from headrace import errors
from headrace.engine import supervisor
from headrace.launch import directory as run_directory

#: Where Kubernetes reads what a container leaves it, and how many bytes it takes.
MESSAGE, MESSAGE_BYTES = Path("/dev/termination-log"), 4096


def main(mounted: Path, folder: Path) -> int:
    """Supervises the run to its end. The exit code is 0 when the run has told the server how it ended."""
    directory = folder / "run"
    try:
        _make(directory, (mounted / run_directory.HANDOVER).read_bytes())
        record = supervisor.Supervisor(directory).run()
    except (errors.LaunchError, OSError) as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 1
    leave(record, MESSAGE)
    if record.reported:
        return 0
    return record.exit_code if record.exit_code > 0 else 1


def leave(record: run_directory.ExitRecord, path: Path) -> None:
    """For the agent, which sees nothing else of the pod's end."""
    kept = msgspec.structs.replace(record, reason=record.reason[: MESSAGE_BYTES // 8])
    path.write_bytes(msgspec.json.encode(kept))


def _make(directory: Path, handover: bytes) -> None:
    directory.mkdir(mode=0o700)
    (directory.parent / "home").mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(directory / run_directory.HANDOVER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(handover)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    # the heartbeat's thread may still wait for an answer
    os._exit(code)
