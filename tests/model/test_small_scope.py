"""All orders of up to twelve atomic steps of two agents, one run and two reapers; and the planted bugs that this finds."""

import os
import time

import pytest

from headrace.core.transitions import OnLost
from model import small_scope
from model.mutants import MUTANTS

DEPTH = 18 if os.environ.get("HEADRACE_NEMESIS") else 12
#: Of the planted bugs those in the rules, and what each breaks here.
IN_THE_RULES = {
    "fence not raised at a claim": "I4",
    "rescues without bound": "I10",
    "no grace before a rescue": "I1|I16",
    "no transition table": "I3",
}
FRESH = small_scope.Situation()
NEARLY_WORN_OUT = small_scope.Situation(fence=6, attempt=3, rescues=3)


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("mode", OnLost)
def test_every_order_of_steps_is_safe(mode: OnLost, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    situations, steps = small_scope.explore(mode, DEPTH)
    with capsys.disabled():
        print(
            f"\nsmall scope, mode {mode}: {DEPTH} steps deep, {situations} situations, {steps} steps,"
            f" {time.monotonic() - began:.0f} s"
        )
    assert situations > 10_000


@pytest.mark.parametrize("name", IN_THE_RULES)
def test_planted_bugs_in_the_rules_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == name]
    mutant.plant(monkeypatch)
    with pytest.raises(small_scope.Broken, match=f"^({IN_THE_RULES[name]}):"):
        small_scope.explore(
            OnLost.RESCHEDULE, 12, NEARLY_WORN_OUT if name == "rescues without bound" else FRESH
        )
