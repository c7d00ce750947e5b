"""What the tests with real processes share."""

from stack import make_stack, stack

__all__ = ["make_stack", "stack"]
