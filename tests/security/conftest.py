"""Installations of real processes, for what only shows from the outside."""

from stack import make_stack

__all__ = ["make_stack"]
