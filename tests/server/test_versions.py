"""V2, V3: versions compared, and the one that runs use."""

import pytest
from lifecycles import Life
from structures import digest, registration, structure

from headrace import errors
from headrace.core import schedules
from headrace.server import registration as server_registration
from headrace.server import tables
from headrace.server import versions as server_versions
from headrace.wire import executors, flows, operations, versions
from running import Server

assert server_versions
assert server_registration


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def compare(life: Life, before: int | None = None, after: int | None = None) -> versions.Difference:
    request = versions.CompareVersions(flow_id=life.flow.flow_id, before=before, after=after)
    return life.server.call(operations.compare_versions, request, life.server.as_.viewer)


def make_current(life: Life, number: int) -> flows.Flow:
    request = versions.MakeCurrent(flow_id=life.flow.flow_id, number=number)
    return life.server.call(operations.make_current, request, life.server.as_.member)


def test_a_new_version_says_what_it_brings(life: Life) -> None:
    done = life.register(
        tasks=[*structure().tasks, flows.TaskSpec(slug="clean", name="clean")], structure_sha256=digest("2")
    )
    assert done.message == "version 2: 1 task added"


def test_two_versions_are_compared_the_current_one_with_the_one_before(life: Life) -> None:
    life.register(executor=executors.ThreadExecutor(workers=2))
    life.register(code_sha256=digest("other code"))
    difference = compare(life)
    assert (difference.before.number, difference.after.number) == (2, 3)
    assert difference.after.current
    assert difference.summary == "executor and code changed"
    assert compare(life, 1, 3).summary == "code changed"
    assert compare(life, 3, 1).before.number == 3


def test_a_version_that_is_not_there_is_named(life: Life) -> None:
    with pytest.raises(errors.NotFound, match="has no version 7; the newest is 1"):
        compare(life, 1, 7)
    with pytest.raises(errors.Invalid, match="version 1 is the first"):
        compare(life)
    with pytest.raises(errors.NotFound, match="no version 9"):
        make_current(life, 9)


def test_an_older_version_can_be_made_current_and_runs_use_it(life: Life) -> None:
    life.register(code_sha256=digest("other code"))
    waiting = life.create()
    assert make_current(life, 1).current_version == 1
    assert life.create().version == 1
    held = life.claim()
    assert held is not None
    assert (held.flow_run_id, held.version) == (waiting.id, 1)


def test_the_schedules_in_code_follow_the_current_version(life: Life) -> None:
    life.register(code_sha256=digest("other code"), schedules=[schedules.cron("0 6 * * *")])
    assert len(life.server.rows(tables.schedules)) == 1
    make_current(life, 1)
    assert life.server.rows(tables.schedules) == []
    assert [run for run in life.server.rows(tables.flow_runs) if run.state_type == "Scheduled"] == []
    make_current(life, 2)
    assert len(life.server.rows(tables.schedules)) == 1


def test_registering_what_is_current_or_newest_makes_no_version(life: Life) -> None:
    life.register(code_sha256=digest("other code"))
    make_current(life, 1)
    assert life.register().message == "unchanged (version 1)"
    again = life.register(code_sha256=digest("other code"))
    assert (again.version, again.created, again.message) == (2, False, "current again, unchanged (version 2)")
    assert life.create().version == 2


def test_two_registrations_of_different_flows_do_not_mix(life: Life) -> None:
    other = life.server.call(operations.register_flow, registration(name="weekly", code_sha256=digest("w")))
    assert (other.version, other.message) == (1, "version 1")
    assert compare_error(life, other) == "version 1 is the first: there is none before it"


def compare_error(life: Life, flow: flows.Registered) -> str:
    with pytest.raises(errors.Invalid) as refused:
        life.server.call(operations.compare_versions, versions.CompareVersions(flow_id=flow.flow_id))
    return refused.value.message
