"""A trial sees what it is there for: with a bug planted in the server it finds something wrong, and nothing without."""

from collections.abc import Iterator

import pytest

from failpoints.places import Place
from failpoints.planted import PLANTS
from failpoints.trial import Nursery, Trial


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "log")
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("sqlite", tmp_path_factory.mktemp("town"), None)
    yield place
    place.close()


#: The point at which each shows.
WHERE = {"forget answers": -1, "forget to undo": -3}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_seen(plant: str, town: Place, nursery: Nursery) -> None:
    trial = Trial(town, nursery, "create_flow_run", plant)
    assert trial.check_controls() == []  # its controls are without it
    assert trial.crash(len(trial.points) + WHERE[plant]) != []


def test_a_server_that_is_not_where_it_should_die_says_nothing(town: Place, nursery: Nursery) -> None:
    trial = Trial(town, nursery, "create_flow_run")
    trial.points[2] = "DELETE everything"
    (said,) = trial.crash(2)
    assert "did not die there: 70" in said
