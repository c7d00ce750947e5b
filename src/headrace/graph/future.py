"""Future values: what a task's call answers while a flow is being built, and what other tasks take."""

from collections.abc import Iterator
from typing import Any, NoReturn

from headrace import errors
from headrace.graph import building, operators, task


class Future:
    """The value that the node `slug` will have in a run; with `index` one item of it.

    Operators make small tasks. What needs the value now (branching, iterating, formatting …) is an error that says what to use.
    """

    __slots__ = ("_graph", "_index", "_nout", "_slug")

    def __init__(
        self, graph: building.Builder, slug: str, *, index: int | None = None, nout: int | None = None
    ) -> None:
        self._graph = graph
        self._slug = slug
        self._index = index
        self._nout = nout

    def __repr__(self) -> str:
        return f"<Future {self._slug}{'' if self._index is None else f'[{self._index}]'}>"

    def __hash__(self) -> int:
        return id(self)

    def set_upstream(self, *upstream: Any) -> None:
        """This node starts after those, without taking their values."""
        for other in upstream:
            self._graph.set_order(other, self)

    def set_downstream(self, *downstream: Any) -> None:
        """Those nodes start after this one, without taking its value."""
        for other in downstream:
            self._graph.set_order(self, other)

    # what there is no value for yet

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise errors.GraphError(
            f"The value of '{self._slug}' does not exist while the flow is being built, so {what}; {instead}."
        )

    def __bool__(self) -> NoReturn:
        self._refuse(
            "Python cannot branch on it",
            "use `with case(value, True):` for `if`, `(a < b) & (b < c)` for `a < b < c` and for `and`, or decide inside a task",
        )

    def __iter__(self) -> Iterator[Any]:
        if self._nout is None:
            self._refuse(
                "it cannot be iterated or unpacked",
                "use `.map(...)` to work on each item, or give the task `nout=` (or a `tuple[A, B]` annotation) to unpack it",
            )
        return iter([Future(self._graph, self._slug, index=index) for index in range(self._nout)])

    def __len__(self) -> NoReturn:
        self._refuse("it has no length", "take `len` inside a task")

    def __contains__(self, item: Any) -> NoReturn:
        self._refuse("`in` cannot look into it", "look inside a task")

    def __str__(self) -> NoReturn:
        self._refuse("it cannot be printed or formatted", "do that inside a task, which gets the value")

    def __format__(self, spec: str) -> NoReturn:
        self._refuse("it cannot be printed or formatted", "do that inside a task, which gets the value")

    def __int__(self) -> NoReturn:
        self._refuse("it is no number", "convert it inside a task")

    def __float__(self) -> NoReturn:
        self._refuse("it is no number", "convert it inside a task")

    def __index__(self) -> NoReturn:
        self._refuse("it is no number", "use it inside a task, as in a loop or `range`")

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("it cannot be called", "call it inside a task")

    def __await__(self) -> NoReturn:
        self._refuse("it cannot be awaited", "leave out `await`: the tasks that take it wait by themselves")

    def __enter__(self) -> NoReturn:
        self._refuse("`with` cannot open it", "open it inside a task, or make a `@resource`")

    def __exit__(self, *exception: object) -> None: ...

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # notebooks, copy and pickle probe for such names
            raise AttributeError(name)
        self._refuse(f"it has no attribute '{name}'", f"read `.{name}` inside a task")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        self._refuse("nothing can be put into it", "change it inside a task")

    def __reduce__(self) -> NoReturn:
        self._refuse("it cannot be pickled", "return it from the flow's body, or give it to a task")

    # operators

    def _with(self, operation: task.Task[..., Any], *operands: Any) -> Any:
        return self._graph.add(operation, operands)

    def __getitem__(self, key: Any) -> Any:
        if self._nout is not None and isinstance(key, int) and -self._nout <= key < self._nout:
            return Future(self._graph, self._slug, index=key % self._nout)
        return self._with(operators.ITEM, self, key)

    def __add__(self, other: Any) -> Any:
        return self._with(operators.ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._with(operators.ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return self._with(operators.SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with(operators.SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Any:
        return self._with(operators.MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with(operators.MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._with(operators.DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(operators.DIVIDE, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(operators.FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(operators.FLOOR_DIVIDE, other, self)

    def __mod__(self, other: Any) -> Any:
        return self._with(operators.REMAINDER, self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._with(operators.REMAINDER, other, self)

    def __pow__(self, other: Any) -> Any:
        return self._with(operators.POWER, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._with(operators.POWER, other, self)

    def __matmul__(self, other: Any) -> Any:
        return self._with(operators.MATRIX_MULTIPLY, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._with(operators.MATRIX_MULTIPLY, other, self)

    def __and__(self, other: Any) -> Any:
        return self._with(operators.AND, self, other)

    def __rand__(self, other: Any) -> Any:
        return self._with(operators.AND, other, self)

    def __or__(self, other: Any) -> Any:
        return self._with(operators.OR, self, other)

    def __ror__(self, other: Any) -> Any:
        return self._with(operators.OR, other, self)

    def __xor__(self, other: Any) -> Any:
        return self._with(operators.XOR, self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._with(operators.XOR, other, self)

    def __lt__(self, other: Any) -> Any:
        return self._with(operators.LESS, self, other)

    def __le__(self, other: Any) -> Any:
        return self._with(operators.LESS_OR_EQUAL, self, other)

    def __gt__(self, other: Any) -> Any:
        return self._with(operators.GREATER, self, other)

    def __ge__(self, other: Any) -> Any:
        return self._with(operators.GREATER_OR_EQUAL, self, other)

    def __eq__(self, other: object) -> Any:
        return self._with(operators.EQUAL, self, other)

    def __ne__(self, other: object) -> Any:
        return self._with(operators.NOT_EQUAL, self, other)

    def __neg__(self) -> Any:
        return self._with(operators.NEGATE, self)

    def __pos__(self) -> Any:
        return self._with(operators.POSITIVE, self)

    def __invert__(self) -> Any:
        return self._with(operators.INVERT, self)

    def __abs__(self) -> Any:
        return self._with(operators.ABSOLUTE, self)


def locate(value: Future) -> tuple[building.Builder, str, int | None]:
    """The graph, node and item that a future stands for."""
    # A future's public names are those of the value to come, so its own are private.
    return value._graph, value._slug, value._index  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
