"""Values that stay on Dask workers: what stands for them here, and what becomes of that among a call's arguments."""

import contextvars
from collections.abc import Sequence
from typing import Any, Protocol

from headrace import errors, executors
from headrace.executors import dask_worker, pickling

#: A list with more bytes is mapped over where it is, item by item.
BRING_BYTES = 16 * 1024 * 1024

_dependencies: contextvars.ContextVar["list[Stayed] | None"] = contextvars.ContextVar(
    "headrace_dependencies", default=None
)


class Gathering(Protocol):
    """Who can bring values here: the executor on whose cluster they are."""

    def gather(self, wanted: "Sequence[Stayed]") -> list[Any]:
        """The values themselves. Raises errors.ResultError."""
        ...


class Stayed(executors.Remote):
    """A value that stayed on a worker; `size` is its bytes there as far as Dask can tell, `length` a list's."""

    __slots__ = ("_executor", "_fetched", "_size", "_value", "future", "length")

    def __init__(self, executor: Gathering, future: Any, size: int, length: int | None) -> None:
        self._executor = executor
        #: While it is held, Dask keeps the value. None of an item that nobody has asked for yet.
        self.future = future
        self._size = size
        self.length = length
        self._fetched = False
        self._value: Any = None

    @property
    def size(self) -> int:
        return self._size

    def fetch(self, others: Sequence[executors.Remote] = ()) -> Any:
        wanted = [each for each in (self, *others) if isinstance(each, Stayed) and not each.is_here]
        if wanted:
            for each, value in zip(wanted, self._executor.gather(wanted), strict=True):
                each.keep(value)
        return self._value

    @property
    def is_here(self) -> bool:
        """Whether it was brought here before."""
        return self._fetched

    def keep(self, value: Any) -> None:
        self._value, self._fetched = value, True

    def items(self) -> "list[Stayed] | None":
        """Of a large list its items, each staying where it is; None of anything else."""
        if self.length is None or self.size < BRING_BYTES:
            return None
        share = self.size // max(1, self.length)
        return [Item(self._executor, self, index, share) for index in range(self.length)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Among the arguments of a call: there it becomes the value, which Dask brings to where the call runs."""
        needed = _dependencies.get()
        if needed is None:
            raise errors.ResultError(
                "a value that stayed on a Dask worker can only be given to tasks of its run"
            )
        needed.append(self)
        return dask_worker.given, (len(needed) - 1,)


class Item(Stayed):
    """An item of a list that stayed on a worker. A Dask task of its own takes it out, when it is first needed."""

    __slots__ = ("index", "whole")

    def __init__(self, executor: Gathering, whole: Stayed, index: int, size: int) -> None:
        super().__init__(executor, None, size, None)
        self.whole = whole
        self.index = index

    @property
    def key(self) -> tuple[Any, ...]:
        """Of its Dask task."""
        return (f"item-{self.whole.future.key[0]}", *self.whole.future.key[1:], self.index)


def packed(own: Any) -> tuple[bytes, list[Stayed]]:
    """A call's own arguments as bytes, and the values that Dask must bring to where they are read."""
    needed: list[Stayed] = []
    before = _dependencies.set(needed)
    try:
        return pickling.dumps(own), needed
    finally:
        _dependencies.reset(before)
