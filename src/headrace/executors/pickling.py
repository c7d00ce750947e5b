"""Users' objects as bytes and back: by cloudpickle, which takes along what `__main__` holds."""

import pickle
from typing import Any

import cloudpickle


def dumps(value: Any) -> bytes:
    """Raises whatever the value's own pickling raises."""
    return cloudpickle.dumps(value)  # pyright: ignore[reportUnknownMemberType] - untyped


def loads(data: bytes) -> Any:
    """For bytes that this user's own processes made. Raises whatever the value's own unpickling raises."""
    return pickle.loads(data)  # noqa: S301 - that is the caller's promise
