"""`headrace …` inside the test's process, with its exit status and what it printed."""

import contextlib
import dataclasses
import io
import sys

from headrace.cli import main


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


class Runner:
    """Runs commands one after the other. `typed` is what somebody types."""

    def __call__(self, *arguments: str, typed: str = "") -> Ended:
        out, err = io.StringIO(), io.StringIO()
        stdin, sys.stdin = sys.stdin, io.StringIO(typed)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main.execute(list(arguments))
        finally:
            sys.stdin = stdin
        return Ended(status, out.getvalue(), err.getvalue())
