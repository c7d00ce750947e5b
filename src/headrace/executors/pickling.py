"""Users' objects as bytes and back: by cloudpickle, which takes along what `__main__` holds."""

import io
import pickle
import types
from typing import Any

import cloudpickle

from headrace.executors import structs


class _Pickler(cloudpickle.Pickler):  # pyright: ignore[reportUntypedBaseClass]
    def reducer_override(self, obj: Any) -> Any:
        """Exceptions of users whose `__init__` wants more than a message: calling it again would fail, so it is not called.

        And users' structs, which cloudpickle would take along without their fields.
        """
        kind: Any = type(obj)  # pyright: ignore[reportUnknownVariableType]
        if (
            isinstance(obj, BaseException)
            and kind.__reduce__ is BaseException.__reduce__
            and isinstance(kind.__init__, types.FunctionType)
        ):
            return _remade, (kind, obj.args, obj.__dict__)
        usual: Any = super().reducer_override(obj)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped
        return structs.reduced(obj, usual) if isinstance(obj, type) else usual


def _remade(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    made = kind.__new__(kind, *args)
    made.args = args
    made.__dict__.update(state)
    return made


class TooLargeError(Exception):
    """The pickle would be larger than asked for."""


class _Bounded(io.BytesIO):
    """Takes so many bytes and not one more, so that a huge value is not first copied and then found to be huge."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._left = limit

    def write(self, data: Any, /) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise TooLargeError
        return super().write(data)


def dumps(value: Any, limit: int | None = None) -> bytes:
    """Raises whatever the value's own pickling raises, and TooLargeError when it takes more than `limit` bytes."""
    file = io.BytesIO() if limit is None else _Bounded(limit)
    _Pickler(file).dump(value)  # pyright: ignore[reportUnknownMemberType] - untyped
    return file.getvalue()


def loads(data: bytes) -> Any:
    """For bytes that this user's own processes made. Raises whatever the value's own unpickling raises."""
    return pickle.loads(data)  # noqa: S301 - that is the caller's promise
