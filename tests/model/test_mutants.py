"""Planted bugs: a model that does not find them finds nothing. A bug that survives fails the tests."""

import contextlib
import os
import time

import pytest
from hypothesis.errors import Flaky

from model import machine, scenarios
from model.invariants import Violation
from model.mutants import ALL, MASKED, MUTANTS, Mutant
from model.world import World

#: The long version searches for each with the machine too.
LONG = bool(os.environ.get("HEADRACE_NEMESIS"))
EXAMPLES, STEPS = 800, 30


@pytest.mark.timeout(300)
def test_the_real_code_holds_in_every_scenario(world: World) -> None:
    for name in scenarios.SCENARIOS:
        try:
            scenarios.run(world, name)
        except AssertionError as error:
            error.add_note(f"in the scenario {name}")
            raise


def _killed(world: World, mutant: Mutant, patch: pytest.MonkeyPatch) -> list[str]:
    """The invariants that do not hold with the bug in place, in the scenarios that are about it."""
    world.unchecked = mutant.without
    found: list[str] = []
    with patch.context() as planted:
        mutant.plant(planted)
        for name in mutant.killers:
            try:
                scenarios.run(world, name)
            except Violation as violation:
                found.append(violation.invariant)
            except AssertionError:
                found.append("the scenario's own")
    world.unchecked = frozenset()
    return found


@pytest.mark.timeout(300)
def test_every_planted_bug_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    found = {mutant.name: _killed(world, mutant, monkeypatch) for mutant in ALL}
    killed = sum(bool(by) for by in found.values())
    with capsys.disabled():
        print(f"\nmutants killed {killed}/{len(found)} by scenarios, {time.monotonic() - began:.1f} s:")
        print("".join(f"  {name}: {', '.join(by)}\n" for name, by in found.items()))
    assert len(MUTANTS) == 19
    assert [name for name, by in found.items() if not by] == []


def test_behind_a_fence_that_is_kept_stands_the_table_of_moves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why there are pairs: alone, without the check of the fence itself, the bug has no consequence."""
    assert {mutant.name: _killed(world, mutant, monkeypatch) for mutant in MASKED} == {
        "cancel keeps the fence": [],
        "rescue keeps the fence": [],
    }


if LONG:  # hours: HEADRACE_NEMESIS=1 searches for every planted bug with the machine

    @pytest.mark.slow
    @pytest.mark.timeout(14_400)
    def test_the_machine_finds_every_planted_bug_by_itself(
        world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        survivors: list[str] = []
        for mutant in ALL:
            Violation.found.clear()
            world.unchecked = mutant.without
            world.steps, began = 0, time.monotonic()
            with monkeypatch.context() as planted:
                mutant.plant(planted)
                with contextlib.suppress(Violation, Flaky, ExceptionGroup):
                    machine.play(world, examples=EXAMPLES, steps=STEPS)
            invariants = sorted({violation.invariant for violation in Violation.found})
            if not invariants:
                survivors.append(mutant.name)
            with capsys.disabled():
                print(
                    f"\n{mutant.name}: {', '.join(invariants) or 'SURVIVED'},"
                    f" {world.steps} times checked, {time.monotonic() - began:.0f} s"
                )
        count = len(ALL)
        with capsys.disabled():
            print(f"\nmutants killed {count - len(survivors)}/{count} by {EXAMPLES} examples x {STEPS} steps")
        assert survivors == []
