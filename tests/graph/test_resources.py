"""Resources: set up before their block, cleaned up after it, whatever happened inside."""

import pytest

from headrace import case, errors, flow, resource, task

EVENTS = []


@resource
class Cluster:
    def __init__(self, size, *, fails=False):
        self.size = size
        self.fails = fails

    def setup(self):
        if self.fails:
            raise RuntimeError("no machines")
        EVENTS.append(f"up {self.size}")
        return f"address-{self.size}"

    def cleanup(self, address):
        EVENTS.append(f"down {self.size} {address}")


@task
def work(address=None, *, fails=False):
    EVENTS.append(f"work {address}")
    if fails:
        raise ValueError("broken")
    return address


@pytest.fixture(autouse=True)
def _quiet():
    EVENTS.clear()


def test_a_block_runs_between_set_up_and_clean_up():
    @flow
    def body():
        with Cluster(3) as address:
            first = work(address)
            work()
        return work(first)

    assert body() == "address-3"
    assert EVENTS[0] == "up 3"
    assert EVENTS.index("down 3 address-3") > EVENTS.index("work None")
    assert sorted(EVENTS) == sorted(
        ["up 3", "work address-3", "work None", "down 3 address-3", "work address-3"]
    )


def test_what_does_not_take_the_value_still_waits_for_it():
    @flow
    def body():
        with Cluster(3), case(work(), None):
            work()

    graph = body.graph
    order = [node.slug for node in graph.order()]
    assert order.index("Cluster-setup") < order.index("work")
    assert order[-1] == "Cluster-cleanup"
    body()
    assert EVENTS == ["up 3", "work None", "work None", "down 3 address-3"]


def test_a_failure_inside_is_cleaned_up_after_and_still_fails_the_run():
    @flow
    def body():
        with Cluster(3) as address:
            work(work(address, fails=True))

    state = body.run()
    assert state.is_failure
    assert EVENTS == ["up 3", "work address-3", "down 3 address-3"]


def test_a_set_up_that_failed_is_not_cleaned_up():
    @flow
    def body():
        with Cluster(3, fails=True) as address:
            work(address)

    state = body.run()
    assert state.is_failure
    assert state.tasks["Cluster-cleanup"].name == "Skipped"
    assert EVENTS == []


def test_skipped_tasks_do_not_keep_the_clean_up_from_running():
    @flow
    def body():
        with Cluster(3) as address, case(address, "elsewhere"):
            work(address)

    assert body.run().is_success
    assert EVENTS == ["up 3", "down 3 address-3"]


def test_set_up_and_clean_up_decide_no_runs_state():
    @flow
    def body():
        with Cluster(3) as address:
            work(address)

    assert body.graph.reference_tasks == ("work",)
    assert {node.kind for node in body.graph.nodes.values()} == {"resource", "task"}


def test_options_are_those_of_tasks():
    @resource(name="db", retries=2, tags={"slow"})
    class Database:
        def setup(self): ...
        def cleanup(self, value): ...

    @flow
    def body():
        with Database():
            work()

    assert body.graph.nodes["db-setup"].task.options.retries == 2
    assert body.graph.nodes["db-cleanup"].tags == {"slow"}


def test_a_class_without_its_methods_is_refused():
    with pytest.raises(errors.GraphError, match="'Half' has no method `cleanup`"):

        @resource
        class Half:
            def setup(self): ...


def test_a_resource_belongs_into_a_flow():
    with pytest.raises(errors.GraphError, match="'Cluster' belongs into a flow's body"), Cluster(3):
        pass
