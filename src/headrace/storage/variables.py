"""What a storage is given by the environment: credentials, by the names of the variables that hold them.

They are looked up where content is saved or loaded, never kept, and never part of a reference.
"""

import os
import re
from collections.abc import Iterable

from headrace import errors
from headrace.wire import storage

#: Shorter values are words like any other: blanking them would blank half of a log.
SHORTEST_SECRET = 8
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def name(given: str, option: str) -> str:
    """The name of a variable, as an option gives it. The value is not repeated: it may be what should have been named."""
    if not _NAME.fullmatch(given):
        raise errors.Invalid(
            f"{option} is the name of an environment variable, in capitals, such as 'FILES_TOKEN'; it is not the secret itself."
        )
    if given.startswith("HEADRACE_"):
        raise errors.Invalid(f"{option} is {given}, which is Headrace's own: name another variable.")
    return given


def value(name: str) -> str:
    """What the variable holds, without the line break at the end that files have. Raises errors.StorageRefused."""
    found = os.environ.get(name, "").strip()
    if not found:
        raise errors.StorageRefused(
            f"the flow's storage needs the environment variable {name}, which is not set here:"
            " set it where the flow is registered, and in the environment of the agents that run it."
        )
    return found


def held(names: Iterable[str]) -> list[str]:
    """What those of the variables hold that are set, and long enough to be a secret: to be kept out of logs."""
    values = [os.environ.get(name, "") for name in names]
    return [value for value in values if len(value) >= SHORTEST_SECRET]


def surroundings(url: str) -> tuple[str, ...]:
    """What the variables hold that the client of this bucket reads by itself."""
    return tuple(os.environ.get(name, "") for name in storage.variables(storage.ObjectStorage(url=url)))


def check(template: str, option: str) -> str:
    """The template, if each `${…}` in it is the name of a variable."""
    for each in _REFERENCE.findall(template):
        name(each, f"${{{each}}} in {option}" if _NAME.fullmatch(each) else f"what is in ${{…}} of {option}")
    return template


def names(template: str) -> list[str]:
    return _REFERENCE.findall(template)


def resolve(template: str) -> str:
    """The template with each `${NAME}` replaced by what the variable holds, which must be one line."""

    def line(found: re.Match[str]) -> str:
        text = value(found[1])
        if not text.isprintable():
            raise errors.StorageRefused(
                f"what the environment variable {found[1]} holds is not one line of text."
            )
        return text

    return _REFERENCE.sub(line, template)
