"""The stateful model against the real servers: whatever happens in whatever order, the invariants hold."""

import os
import time

import pytest
from model import machine
from model.world import World

#: The long version: HEADRACE_NEMESIS=1. Its seed is HEADRACE_SEED, else the same examples every time.
LONG = bool(os.environ.get("HEADRACE_NEMESIS"))
EXAMPLES, STEPS = (2_000, 30) if LONG else (40, 30)


@pytest.mark.slow
@pytest.mark.timeout(7_200 if LONG else 120)
def test_whatever_happens_the_invariants_hold(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ["HEADRACE_SEED"]) if "HEADRACE_SEED" in os.environ else None
    began = time.monotonic()
    machine.play(world, examples=EXAMPLES, steps=STEPS, seed=seed)
    with capsys.disabled():
        print(
            f"\nmodel on {'PostgreSQL' if len(world._databases) > 1 else 'SQLite'}: {EXAMPLES} examples x {STEPS} steps,"
            f" seed {seed}, {world.steps} times checked, {time.monotonic() - began:.0f} s"
        )
