"""F01, I2, I12: a server that dies anywhere in any request leaves nothing half done, and the request sent again has one effect.

Every operation of the table that is not GET is done to a town in which it has something to do: once and twice without a
crash, and then with a server that dies at a point of it, a new server, and the same request with the same request id.
`make test` takes two points of each on SQLite, drawn by HEADRACE_SEED, and some on PostgreSQL; `make nemesis` takes all.
"""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from failpoints import impressions, recipes
from failpoints.places import Place
from failpoints.trial import Nursery, Trial
from headrace.wire import operations
from headrace.wire.operations import Repeat
from postgresql import PostgresServer

#: pytest's `record_property`.
Record = Callable[[str, Any], None]
IS_LONG = os.environ.get("HEADRACE_NEMESIS") == "1"
#: Which points the short version takes.
SEED = int(os.environ.get("HEADRACE_SEED", "1"))
OPERATIONS = [operation.name for operation in operations.OPERATIONS if operation.method != "GET"]
#: Operations that the short version does on PostgreSQL, too.
SAMPLE = 6
ON_POSTGRES = (
    OPERATIONS if IS_LONG else sorted(random.Random(SEED).sample(OPERATIONS, SAMPLE), key=OPERATIONS.index)
)
#: What a repetition of an operation that keeps no answers adds, and why that is harmless.
ADDS = {
    "request_reset": {"sign_in_failures", "resets"},  # a second mail was asked for
    "sign_up": {"sign_in_failures"},  # a second mail was asked for
    "sign_in": {"sessions", "audit"},  # a second browser, as far as anybody knows
    "run_retention": {"audit"},  # it was asked for twice, and found nothing the second time
    "test_notification": {"audit"},  # the receiver is told twice, too
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "log")
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def sqlite_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("sqlite", tmp_path_factory.mktemp("town"), None)
    yield place
    place.close()


@pytest.fixture(scope="module")
def postgres_town(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Place]:
    place = Place("postgres", tmp_path_factory.mktemp("town"), postgres)
    yield place
    place.close()


def chosen(trial: Trial) -> list[int]:
    """All points; in the short version one before the first COMMIT, and the last one, where the answer leaves."""
    if IS_LONG:
        return list(range(len(trial.points)))
    first = random.Random(f"{SEED} {trial.operation}").randrange(trial.points.index("COMMIT") + 1)
    return [first, len(trial.points) - 1]


def check(place: Place, nursery: Nursery, operation: str, record_property: Record) -> None:
    trial = Trial(place, nursery, operation)
    wrong = trial.check_controls()
    if trial.ask.operation.repeat is Repeat.NATURAL:
        added = impressions.differences(trial.twice.left, trial.once.left)
        if {one.partition(":")[0] for one in added} != ADDS.get(operation, set()):
            wrong.append(f"{operation}, twice: adds something else than what is named in ADDS: {added}")
    numbers = chosen(trial)
    for number in numbers:
        wrong += trial.crash(number)
    record_property("failpoints", (place.kind, operation, len(numbers), len(wrong), trial.restarts))
    assert not wrong, "\n".join([f"HEADRACE_SEED={SEED}", *wrong])


def test_every_operation_that_may_change_something_has_a_recipe() -> None:
    assert set(OPERATIONS) - recipes.KNOWN == set(), "make a request for these in recipes.py"
    assert recipes.KNOWN - set(OPERATIONS) == set(), "these are not in the table any more"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_crash_anywhere_leaves_one_effect_on_sqlite(
    operation: str, sqlite_town: Place, nursery: Nursery, record_property: Record
) -> None:
    check(sqlite_town, nursery, operation, record_property)


@pytest.mark.postgres
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", ON_POSTGRES)
def test_a_crash_anywhere_leaves_one_effect_on_postgresql(
    operation: str, postgres_town: Place, nursery: Nursery, record_property: Record
) -> None:
    check(postgres_town, nursery, operation, record_property)
