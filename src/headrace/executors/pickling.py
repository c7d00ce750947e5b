"""Users' objects as bytes and back: by cloudpickle, which takes along what `__main__` holds."""

import io
import pickle
import types
from typing import Any

import cloudpickle


class _Pickler(cloudpickle.Pickler):  # pyright: ignore[reportUntypedBaseClass]
    def reducer_override(self, obj: Any) -> Any:
        """Exceptions of users whose `__init__` wants more than a message: calling it again would fail, so it is not called."""
        kind: Any = type(obj)  # pyright: ignore[reportUnknownVariableType]
        if (
            isinstance(obj, BaseException)
            and kind.__reduce__ is BaseException.__reduce__
            and isinstance(kind.__init__, types.FunctionType)
        ):
            return _remade, (kind, obj.args, obj.__dict__)
        return super().reducer_override(obj)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped


def _remade(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    made = kind.__new__(kind, *args)
    made.args = args
    made.__dict__.update(state)
    return made


def dumps(value: Any) -> bytes:
    """Raises whatever the value's own pickling raises."""
    file = io.BytesIO()
    _Pickler(file).dump(value)  # pyright: ignore[reportUnknownMemberType] - untyped
    return file.getvalue()


def loads(data: bytes) -> Any:
    """For bytes that this user's own processes made. Raises whatever the value's own unpickling raises."""
    return pickle.loads(data)  # noqa: S301 - that is the caller's promise
