"""A3: an engine that is down, is killed, or is restarted, with an engine of the tests' own."""

from collections.abc import Iterator

import pytest

import dockerd
from docker_yard import SECONDS, Yard
from headrace.launch.docker.engine import Engine


@pytest.fixture(scope="module")
def own_engine(
    tmp_path_factory: pytest.TempPathFactory, engine_url: str, image: str
) -> Iterator[dockerd.Dockerd]:
    made = dockerd.Dockerd(tmp_path_factory.mktemp("engine") / "own")
    made.start()
    made.load(engine_url, image)
    yield made
    made.close()


@pytest.fixture
def yard(own_yard: Yard, own_engine: dockerd.Dockerd) -> Yard:
    if not Engine(own_engine.url).is_there():
        own_engine.start()
    own_yard.engine, own_yard.engine_url = Engine(own_engine.url), own_engine.url
    own_yard.host = dockerd.ADDRESS
    return own_yard


def test_an_engine_that_is_down_costs_one_run_and_the_others_wait_for_it(
    yard: Yard, own_engine: dockerd.Dockerd
) -> None:
    yard.start()
    own_engine.stop()
    made = [yard.run("adds") for _ in range(3)]
    yard.stack.until(lambda: any(_state(yard, run) == "Crashed" for run in made), "one says why", SECONDS)
    told = next(run for run in made if _state(yard, run) == "Crashed")
    state = yard.stack.api.read_flow_run(told.id).state
    assert (state.name, state.code) == ("LaunchFailed", "engine_down")
    assert own_engine.url in state.message
    waiting = [run for run in made if run is not told]
    assert {_state(yard, run) for run in waiting} == {"Scheduled"}
    own_engine.start()
    assert [yard.ended(run, 60)[0] for run in waiting] == ["Success", "Success"]


def test_a_run_goes_on_when_the_engine_is_killed_and_is_cleared_away_by_the_next_one(
    yard: Yard, own_engine: dockerd.Dockerd
) -> None:
    yard.start()
    run = yard.run("waits", seconds=5.0)
    yard.running(run)
    own_engine.kill()
    assert yard.ended(run)[0] == "Success"
    own_engine.start()
    yard.stack.until(lambda: not yard.containers(), "its container is removed")


def test_an_engine_that_is_restarted_ends_the_run_with_words(yard: Yard, own_engine: dockerd.Dockerd) -> None:
    # so long that it is not the server that misses the run first
    yard.stack.timing["lost_after"] = 60.0
    yard.start()
    run = yard.run("waits")
    yard.running(run)
    own_engine.stop()
    own_engine.start()
    state, code, message = yard.ended(run)
    assert (state, code) == ("Crashed", "engine_restarted"), message
    yard.stack.until(lambda: not yard.containers(), "its container is removed")


def _state(yard: Yard, run: object) -> str:
    return yard.stack.api.read_flow_run(run.id).state.type.value  # type: ignore[attr-defined]
