"""F22, F43–F46: whatever goes wrong with machines, networks, clocks, disks and the database, no run is lost, stuck or doubled.

`make nemesis` runs HEADRACE_NEMESIS_SEEDS (20) seeds of HEADRACE_NEMESIS_SECONDS (120); HEADRACE_NEMESIS_SEED is the first.
"""

import itertools
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemesis import nemesis, promises

IS_LONG = os.environ.get("HEADRACE_NEMESIS") == "1"
COUNT = int(os.environ.get("HEADRACE_NEMESIS_SEEDS", "20" if IS_LONG else "1"))
SECONDS = float(os.environ.get("HEADRACE_NEMESIS_SECONDS", "120" if IS_LONG else "30"))
#: Where a line of figures is added for each seed, as JSON; figures.py makes the table of docs/reliability.md from it.
FIGURES = os.environ.get("HEADRACE_NEMESIS_FIGURES", "")


def first_seed() -> int:
    """Given, or drawn; the long run begins at 1."""
    given = os.environ.get("HEADRACE_NEMESIS_SEED", "1" if IS_LONG else "")
    return int(given) if given else random.randrange(1_000_000)


def kind_of(seed: int) -> str:
    """Every fifth seed has one server on SQLite and a disk that is filled; the others two servers on one PostgreSQL."""
    return "sqlite" if seed % 5 == 0 else "postgres"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: sockets have short names, and others must be able to look in."""
    made = Path(tempfile.mkdtemp(prefix="hrnemesis"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(COUNT))
def test_no_run_is_lost_or_stuck_or_doubled_whatever_goes_wrong(number: int, folder: Path) -> None:
    seed = first_seed() + number
    one = nemesis.Nemesis(folder, seed, kind_of(seed), SECONDS)
    try:
        sys.stdout.write(f"seed {seed} on {one.kind}\n")
        outcome = one.run()
        broken = promises.violations(outcome)
        line = json.dumps(promises.figures(outcome, broken))
        sys.stdout.write(line + "\n")
        if FIGURES:
            with Path(FIGURES).open("a") as file:
                file.write(line + "\n")
        for sentence in itertools.chain(*broken.values()):
            sys.stdout.write(f"BROKEN {sentence}\n")
            run = sentence[:36]
            if run in outcome.rows:
                sys.stdout.writelines(f"    {said}\n" for said in promises.story(outcome, run))
    finally:
        one.close()
    assert sum(len(sentences) for sentences in broken.values()) == 0, (
        f"seed {seed}; what was broken is printed"
    )
    # else nothing was shown
    assert outcome.rows
    assert len(outcome.faults.hit) >= SECONDS / 10
