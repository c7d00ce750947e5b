"""A factory of installations that are gone, with all their processes, when the test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stack as stacks

Make = Callable[..., stacks.Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Make]:
    made: list[stacks.Stack] = []

    def make(**given: Any) -> stacks.Stack:
        made.append(stacks.Stack(tmp_path / f"stack{len(made)}", **given))
        return made[-1]

    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def stack(make_stack: Make) -> stacks.Stack:
    """A server on SQLite and one agent, started."""
    made = make_stack()
    made.start()
    return made
