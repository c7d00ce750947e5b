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


def _binary(name: str, function: Callable[[Any, Any], Any]) -> task.Task[[Any, Any], Any]:
    return task.Task(Binary(function), kind="operator", name=name)


def _unary(name: str, function: Callable[[Any], Any]) -> task.Task[[Any], Any]:
    return task.Task(Unary(function), kind="operator", name=name)


ADD = _binary("add", operator.add)
SUBTRACT = _binary("subtract", operator.sub)
MULTIPLY = _binary("multiply", operator.mul)
DIVIDE = _binary("divide", operator.truediv)
FLOOR_DIVIDE = _binary("floor-divide", operator.floordiv)
REMAINDER = _binary("remainder", operator.mod)
POWER = _binary("power", operator.pow)
MATRIX_MULTIPLY = _binary("matrix-multiply", operator.matmul)
AND = _binary("and", operator.and_)
OR = _binary("or", operator.or_)
XOR = _binary("xor", operator.xor)
LESS = _binary("less", operator.lt)
LESS_OR_EQUAL = _binary("less-or-equal", operator.le)
GREATER = _binary("greater", operator.gt)
GREATER_OR_EQUAL = _binary("greater-or-equal", operator.ge)
EQUAL = _binary("equal", operator.eq)
NOT_EQUAL = _binary("not-equal", operator.ne)
ITEM = _binary("item", operator.getitem)
NEGATE = _unary("negate", operator.neg)
POSITIVE = _unary("positive", operator.pos)
INVERT = _unary("invert", operator.invert)
ABSOLUTE = _unary("absolute", operator.abs)
TRUTH = _unary("truth", operator.truth)
