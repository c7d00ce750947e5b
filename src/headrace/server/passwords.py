"""Passwords: hashed by Argon2, on a thread and never inside a transaction, for that takes tens of milliseconds."""

import functools
from typing import TYPE_CHECKING

from headrace import errors

if TYPE_CHECKING:
    import argon2

SHORTEST = 10
LONGEST = 256

#: Verified where there is no user or no password, so that the time tells nothing.
_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZSBvdGhlciBzYWx0$Jl1xxn1gMfWQUkPqEz3BhkGS9ZBPVVfD7BN0n5zBAV4"


def hashed(password: str, field: str) -> str:
    """What is kept of a password. Raises errors.Invalid, naming the field, for one that will not do."""
    if not SHORTEST <= len(password) <= LONGEST:
        sentence = f"a password has {SHORTEST} to {LONGEST} characters"
        raise errors.Invalid(sentence, fields={field: sentence})
    return _hasher().hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether this is the password. It takes the same time when there is none."""
    if len(password) > LONGEST:
        return False
    from argon2 import exceptions

    try:
        return _hasher().verify(kept or _DECOY, password) and kept is not None
    except (exceptions.VerificationError, exceptions.InvalidHashError):
        return False


@functools.cache
def _hasher() -> "argon2.PasswordHasher":
    import argon2  # 45 ms of a server's start, and most people come with a key, a link or a session

    return argon2.PasswordHasher()
