"""The small tasks that operators on future values make: `rows["a"] + 1` is two of them."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

from headrace.graph import task


@dataclasses.dataclass(frozen=True, slots=True)
class Binary:
    """An operator of two operands, as a function whose inputs have names."""

    function: Callable[[Any, Any], Any]

    def __call__(self, left: Any, right: Any) -> Any:
        return self.function(left, right)


@dataclasses.dataclass(frozen=True, slots=True)
class Unary:
    """An operator of one operand, as a function whose input has a name."""

    function: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        return self.function(value)


def _binary(name: str, function: str) -> task.Task[[Any, Any], Any]:
    return task.Task(Binary(getattr(operator, function)), kind="operator", name=name)


def _unary(name: str, function: str) -> task.Task[[Any], Any]:
    return task.Task(Unary(getattr(operator, function)), kind="operator", name=name)


ADD = _binary("add", "add")
SUBTRACT = _binary("subtract", "sub")
MULTIPLY = _binary("multiply", "mul")
DIVIDE = _binary("divide", "truediv")
FLOOR_DIVIDE = _binary("floor-divide", "floordiv")
REMAINDER = _binary("remainder", "mod")
POWER = _binary("power", "pow")
MATRIX_MULTIPLY = _binary("matrix-multiply", "matmul")
AND = _binary("and", "and_")
OR = _binary("or", "or_")
XOR = _binary("xor", "xor")
LESS = _binary("less", "lt")
LESS_OR_EQUAL = _binary("less-or-equal", "le")
GREATER = _binary("greater", "gt")
GREATER_OR_EQUAL = _binary("greater-or-equal", "ge")
EQUAL = _binary("equal", "eq")
NOT_EQUAL = _binary("not-equal", "ne")
ITEM = _binary("item", "getitem")
NEGATE = _unary("negate", "neg")
POSITIVE = _unary("positive", "pos")
INVERT = _unary("invert", "invert")
ABSOLUTE = _unary("absolute", "abs")
TRUTH = _unary("truth", "truth")
