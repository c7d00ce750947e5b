"""The stateful model against the real servers: whatever happens in whatever order, the invariants hold."""

import os
import time

import pytest

from model import machine
from model.world import World

#: The long version: HEADRACE_NEMESIS=1. Its seed is HEADRACE_SEED, else the same examples every time.
LONG = bool(os.environ.get("HEADRACE_NEMESIS"))
EXAMPLES, STEPS = {"sqlite": 2_000 if LONG else 40, "postgres": 2_000 if LONG else 12}, 30


@pytest.mark.slow
@pytest.mark.timeout(7_200 if LONG else 300)
def test_whatever_happens_the_invariants_hold(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    kind = "postgres" if len(world._databases) > 1 else "sqlite"
    examples = EXAMPLES[kind]
    seed = int(os.environ["HEADRACE_SEED"]) if "HEADRACE_SEED" in os.environ else None
    began = time.monotonic()
    machine.play(world, examples=examples, steps=STEPS, seed=seed)
    with capsys.disabled():
        print(
            f"\nmodel on {kind}: {examples} examples x {STEPS} steps,"
            f" seed {seed}, {world.steps} times checked, {time.monotonic() - began:.0f} s"
        )
