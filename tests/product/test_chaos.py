"""Whatever is killed, every run ends, is executed by one process at a time, and is believed only while it holds the fence."""

import os
import random
import sys
from pathlib import Path

import chaos
import pytest

import stack as stacks

#: Runs in all. The full measure is HEADRACE_CHAOS_RUNS=200, which takes about three minutes for each of the four.
RUNS = int(os.environ.get("HEADRACE_CHAOS_RUNS", "40"))
#: The same faults again: the seed is printed.
SEED = int(os.environ.get("HEADRACE_CHAOS_SEED", random.randrange(1_000_000)))
#: What stands in for `headrace server`.
PROGRAMS = {
    "with fences": ("-m", "headrace"),
    "without fences": (str(Path(__file__).with_name("server_without_fences.py")),),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fences", PROGRAMS)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_runs_survive_that_everything_is_killed_because_of_fences(
    kind: str, fences: str, request: pytest.FixtureRequest, make_stack: stacks.Make
) -> None:
    """The same faults with the fence check and without it: then promises are broken, or this test would show nothing."""
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    stack = make_stack(database_url=url, program=PROGRAMS[fences])
    kills, pauses = RUNS // 2 + 2, max(3, RUNS // 20)
    outcome = chaos.Chaos(stack, each=RUNS // 2, kills=kills, pauses=pauses, seed=SEED).run()
    found = chaos.violations(outcome)
    sys.stdout.write(f"{kind} {fences}: {outcome}; {len(found)} violations\n")
    sys.stdout.writelines(f"  {violation}\n" for violation in found[:5])
    assert outcome.kills.total() >= kills
    # else there was nothing that only a fence can refuse
    assert len(outcome.woken) > pauses // 2
    if fences == "without fences":
        assert found, f"seed {SEED}: the fence check is switched off, and no promise was broken"
    else:
        assert found == []
        assert chaos.successes(outcome, "reschedule") >= 0.9
