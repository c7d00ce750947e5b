"""Amounts of memory as people write them: a number of bytes with a unit, as Kubernetes and Docker have it."""

import re

from headrace import errors

_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([kMGT]?i?)B?", re.ASCII)


def memory(text: str) -> int:
    """Bytes. Raises errors.LaunchError for what is no amount."""
    found = _MEMORY.fullmatch(text.strip())
    if found is None or found[2] not in _UNITS or float(found[1]) == 0:
        raise errors.LaunchError(
            f"{text!r} is no amount of memory: write a number with a unit, such as 512Mi, 2Gi or 1G.",
            reason="not_admitted",
        )
    return int(float(found[1]) * _UNITS[found[2]])
