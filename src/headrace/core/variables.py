"""Variables: what their names look like, and which names look as if they were of something secret."""

import re

#: Bytes of a value as JSON.
LARGEST = 64 * 1024
LONGEST = 100
NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Where a run that knows no server finds a variable: `HEADRACE_VARIABLE_REGION`.
ENVIRONMENT = "HEADRACE_VARIABLE_"

_SECRET = re.compile(
    r"(?:^|_)(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|credentials?|private_?key|api_?key|access_?key)(?:_|$)"
)


def problem(name: str) -> str:
    """What is wrong with a name; "" where it is one."""
    if NAME.fullmatch(name) and len(name) <= LONGEST:
        return ""
    return f"a small letter, then small letters, digits and '_', at most {LONGEST} characters"


def warning(name: str) -> str:
    """What to say of a name that looks as if its value were a secret; "" of any other."""
    if not _SECRET.search(name):
        return ""
    return (
        f"{name!r} sounds like a secret: variables are shown to everybody who may sign in, and stand in the audit log."
        " Keep secrets where the run takes place, and only their names here"
    )
