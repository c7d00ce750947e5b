"""R10: a re-run takes over what is still good, runs the rest, and says so before."""

from typing import Any
from uuid import UUID

import pytest
from lifecycles import CONTENT, Life
from structures import digest

from headrace import errors
from headrace.core.states import StateType
from headrace.server import restarts, tables
from headrace.wire import flows, operations, runs
from headrace.wire import restarts as wire_restarts
from headrace.wire.run_configs import LocalRun
from running import Server

#: Imported for their handlers.
NOUNS = (restarts,)

SUCCESS, FAILED, RUNNING, SCHEDULED = (
    StateType.SUCCESS,
    StateType.FAILED,
    StateType.RUNNING,
    StateType.SCHEDULED,
)
Place = tuple[str, int]


def spec(slug: str, **more: Any) -> flows.TaskSpec:
    return flows.TaskSpec(slug=slug, name=slug, **more)


def edge(upstream: str, downstream: str, key: str | None = "x", **more: Any) -> flows.EdgeSpec:
    return flows.EdgeSpec(upstream=upstream, downstream=downstream, key=key, **more)


#: day → extract → clean (mapped) → load (mapped over clean) → report; extract → check; a task apart.
SALES: dict[str, Any] = {
    "tasks": [
        spec("day", kind="parameter"),
        spec("extract"),
        spec("clean", mapped=True),
        spec("load", mapped=True),
        spec("report"),
        spec("check"),
        spec("apart"),
    ],
    "edges": [
        edge("day", "extract"),
        edge("extract", "clean", mapped=True),
        edge("clean", "load", mapped=True),
        edge("load", "report"),
        edge("extract", "check"),
    ],
}


class Sales(Life):
    """Runs whose tasks end as a test says."""

    def __init__(self, server: Server, **structure: Any) -> None:
        super().__init__(server, **{**SALES, **structure})

    def begin(self) -> runs.Assignment:
        held = self.claim()
        assert held is not None
        self.start(held)
        return held

    def report(
        self,
        held: runs.Assignment,
        states: dict[Place, StateType],
        lost: set[Place] = frozenset(),
        seq: int = 0,
    ) -> None:
        """Each task run enters its state; of those that succeed the results are kept, but for the `lost`."""
        at = self.server.clock.now
        events = [
            runs.TaskEvent(
                slug,
                index,
                kind,
                str(kind),
                at,
                result=runs.ResultRef(location=f"/{held.flow_run_id}/{slug}/{index}")
                if kind is SUCCESS and (slug, index) not in lost
                else None,
            )
            for (slug, index), kind in states.items()
        ]
        request = runs.WriteTaskEvents(flow_run_id=held.flow_run_id, fence=held.fence, seq=seq, events=events)
        self.server.call(operations.write_task_events, request, self.by(held))

    def ended(self, changes: dict[Place, StateType] | None = None, **said: Any) -> UUID:
        """A finished run in which all tasks succeeded but for the changes."""
        self.create(**said.pop("asked", {}))
        held = self.begin()
        self.report(held, ALL | (changes or {}), said.pop("lost", frozenset()))
        self.finish(held, said.pop("end", FAILED))
        return held.flow_run_id

    def preview(self, run_id: UUID, **asked: Any) -> wire_restarts.RerunPreview:
        return self.server.call(operations.preview_rerun, request(run_id, **asked))

    def rerun(self, run_id: UUID, request_id: str | None = None, **asked: Any) -> runs.FlowRun:
        return self.server.call(
            operations.rerun_flow_run, request(run_id, **asked), self.server.as_.member, request_id
        )

    def known(self, held: runs.Assignment) -> dict[Place, str]:
        """What the run process may take over: by whose run."""
        asked = runs.ReadTaskResults(flow_run_id=held.flow_run_id, fence=held.fence)
        items = self.server.call(operations.read_task_results, asked, self.by(held)).items
        return {(item.slug, item.map_index): item.origin for item in items}


#: Three rows.
ALL: dict[Place, StateType] = {
    **{(slug, -1): SUCCESS for slug in ("day", "extract", "clean", "load", "report", "check", "apart")},
    **{(slug, index): SUCCESS for slug in ("clean", "load") for index in range(3)},
}
#: What follows when the second row cannot be cleaned.
BROKEN: dict[Place, StateType] = dict.fromkeys(
    [("clean", 1), ("clean", -1), ("load", 1), ("load", -1), ("report", -1)], FAILED
)


def request(run_id: UUID, *tasks: Any, **asked: Any) -> wire_restarts.RerunFlowRun:
    places = [
        wire_restarts.TaskPlace(slug=slug, map_index=index)
        for slug, index in (
            each if isinstance(each, tuple) else (each, None) for each in asked.pop("tasks", ())
        )
    ]
    return wire_restarts.RerunFlowRun(flow_run_id=run_id, tasks=places, **asked)


def shown(preview: wire_restarts.RerunPreview) -> dict[str, tuple[int, int, str]]:
    """By task that runs: how many run, how many are taken over, why."""
    return {task.slug: (task.runs, task.reused, task.why) for task in preview.tasks if task.why}


@pytest.fixture
def sales(server: Server) -> Sales:
    return Sales(server)


def test_a_rerun_runs_what_did_not_succeed_and_takes_over_the_rest(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    preview = sales.preview(before)
    assert shown(preview) == {
        "clean": (1, 2, "unfinished"),
        "load": (1, 2, "unfinished"),
        "report": (1, 0, "unfinished"),
    }
    assert (preview.runs, preview.reused, preview.notes) == (3, 7, [])
    run = sales.rerun(before)
    assert (run.restarted_from, run.version, run.state.type) == (before, 1, SCHEDULED)
    held = sales.begin()
    assert held.resumed
    name = sales.read(before).name
    taken = [
        ("extract", -1),
        ("check", -1),
        ("apart", -1),
        ("clean", 0),
        ("clean", 2),
        ("load", 0),
        ("load", 2),
    ]
    assert sales.known(held) == {**dict.fromkeys(taken, name), ("day", -1): name}
    sales.check()


def test_a_task_that_succeeded_below_one_that_failed_runs_anew(sales: Sales) -> None:
    before = sales.ended({("clean", 1): FAILED, ("clean", -1): FAILED})
    assert shown(sales.preview(before)) == {
        "clean": (1, 2, "unfinished"),
        "load": (1, 2, "below"),
        "report": (1, 0, "below"),
    }
    sales.rerun(before)
    known = sales.known(sales.begin())
    assert {("load", 1), ("load", -1), ("report", -1)}.isdisjoint(known)
    assert ("load", 0) in known


def test_any_task_and_any_map_index_can_be_the_start(sales: Sales) -> None:
    before = sales.ended(end=SUCCESS)
    assert shown(sales.preview(before, tasks=[("load", 2)])) == {
        "load": (1, 2, "chosen"),
        "report": (1, 0, "below"),
    }
    assert shown(sales.preview(before, tasks=["check", ("clean", 0)])) == {
        "check": (1, 0, "chosen"),
        "clean": (1, 2, "chosen"),
        "load": (1, 2, "below"),
        "report": (1, 0, "below"),
    }
    assert shown(sales.preview(before, tasks=["extract"])) == {
        "extract": (1, 0, "chosen"),
        "clean": (3, 0, "below"),
        "load": (3, 0, "below"),
        "report": (1, 0, "below"),
        "check": (1, 0, "below"),
    }
    everything = sales.preview(before, from_start=True)
    assert (everything.runs, everything.reused) == (10, 0)
    sales.rerun(before, from_start=True)
    assert sales.known(sales.begin()) == {}


def test_a_changed_parameter_runs_all_that_is_made_of_it(sales: Sales) -> None:
    before = sales.ended(BROKEN, asked={"parameters": {"day": "monday"}})
    same = sales.preview(before, parameters={"day": "monday"})
    assert same.runs == 3
    preview = sales.preview(before, parameters={"day": "tuesday"})
    assert (preview.parameters, preview.reused) == ({"day": "tuesday"}, 1)
    assert shown(preview)["extract"] == (1, 0, "below")
    run = sales.rerun(before, parameters={"day": "tuesday"})
    assert run.parameters == {"day": "tuesday"}
    assert set(sales.known(sales.begin())) == {("apart", -1)}
    with pytest.raises(errors.Invalid, match="did you mean 'day'"):
        sales.rerun(before, parameters={"dya": "tuesday"})


def test_a_value_that_was_not_kept_is_made_again_only_where_it_is_needed(sales: Sales) -> None:
    needed = sales.ended(BROKEN, lost={("extract", -1)})
    preview = sales.preview(needed)
    assert shown(preview)["extract"] == (1, 0, "not_kept")
    assert shown(preview)["check"] == (1, 0, "below")
    assert preview.notes[0].startswith("1 task runs that succeeded run again")
    unneeded = sales.ended({("report", -1): FAILED}, lost={("check", -1), ("apart", -1)})
    assert shown(sales.preview(unneeded)) == {"report": (1, 0, "unfinished")}
    sales.rerun(unneeded)
    assert ("check", -1) in sales.known(sales.begin())


def test_a_mapped_child_whose_value_was_not_kept_runs_again_with_what_is_made_of_it(sales: Sales) -> None:
    before = sales.ended({("check", -1): FAILED}, lost={("clean", 2)})
    assert shown(sales.preview(before)) == {
        "check": (1, 0, "unfinished"),
        "clean": (1, 2, "not_kept"),
        "load": (1, 2, "below"),
        "report": (1, 0, "below"),
    }


def test_a_resource_is_set_up_again_for_what_runs_in_its_block_and_makes_nothing_new(server: Server) -> None:
    tasks = [
        spec("set-up", kind="resource"),
        spec("first"),
        spec("second"),
        spec("clean-up", kind="resource"),
    ]
    edges = [
        *(edge("set-up", "first"), edge("set-up", "second"), edge("set-up", "clean-up")),
        *(edge("first", "second", None), edge("second", "clean-up", None)),
    ]
    life = Sales(server, tasks=tasks, edges=edges, parameters=[])
    life.create()
    held = life.begin()
    states = {
        ("set-up", -1): SUCCESS,
        ("first", -1): SUCCESS,
        ("second", -1): FAILED,
        ("clean-up", -1): SUCCESS,
    }
    life.report(held, states, {("set-up", -1), ("clean-up", -1)})
    life.finish(held, FAILED)
    assert shown(life.preview(held.flow_run_id)) == {
        "set-up": (1, 0, "resource"),
        "second": (1, 0, "unfinished"),
        "clean-up": (1, 0, "below"),
    }
    life.rerun(held.flow_run_id)
    assert set(life.known(life.begin())) == {("first", -1)}


def test_a_rerun_of_a_rerun_takes_over_results_of_the_whole_chain(sales: Sales) -> None:
    first = sales.ended(BROKEN)
    sales.rerun(first, tasks=["check"])
    held = sales.begin()
    # it takes two over and is lost before it comes to the others
    at = sales.server.clock.now
    taken = runs.ResultRef(location=f"/{first}/extract/-1")
    events = [
        runs.TaskEvent("extract", -1, SUCCESS, "Cached", at, result=taken),
        runs.TaskEvent("clean", 1, SUCCESS, "Success", at, result=runs.ResultRef(location="/second")),
        runs.TaskEvent("load", 1, RUNNING, "Running", at),
    ]
    asked = runs.WriteTaskEvents(flow_run_id=held.flow_run_id, fence=held.fence, seq=0, events=events)
    sales.server.call(operations.write_task_events, asked, sales.by(held))
    sales.exit(held, exit_code=-9)
    second = held.flow_run_id
    assert shown(sales.preview(second)) == {
        "clean": (0, 3, "unfinished"),
        "load": (1, 2, "unfinished"),
        "report": (1, 0, "unfinished"),
        "check": (1, 0, "unfinished"),
    }
    sales.rerun(second)
    third = sales.begin()
    name, own = sales.read(first).name, sales.read(second).name
    expected = dict.fromkeys(
        [("day", -1), ("extract", -1), ("apart", -1), ("clean", 0), ("clean", 2), ("load", 0)], name
    )
    assert sales.known(third) == {**expected, ("load", 2): name, ("clean", 1): own}
    listed = sales.server.call(operations.list_flow_runs, runs.ListFlowRuns(restarted_from=first)).items
    assert [run.id for run in listed] == [second]


def test_a_rescued_rerun_knows_its_own_results_from_those_that_it_took_over(server: Server) -> None:
    sales = Sales(server, on_lost="reschedule")
    first = sales.ended(BROKEN)
    sales.rerun(first)
    held = sales.begin()
    sales.report(held, {("clean", 1): SUCCESS})
    sales.exit(held, exit_code=-9)
    again = sales.begin()
    assert again.fence > held.fence
    known = sales.known(again)
    assert known["clean", 1] == ""
    assert known["clean", 0] == sales.read(first).name


def test_the_version_stays_the_same_unless_another_is_asked_for(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    sales.register(**{**SALES, "code_sha256": digest("mended")})
    sales.register(**{**SALES, "code_sha256": digest("mended twice"), "run_config": LocalRun(env={"A": "1"})})
    assert sales.rerun(before).version == 1
    held = sales.claim()
    assert held is not None
    assert (held.version, held.content_sha256) == (1, CONTENT)
    current = sales.preview(before, version=0)
    assert (current.version, current.reused) == (3, 7)
    assert "Version 3 has other code than version 1" in current.notes[0]
    run = sales.rerun(before, version=0)
    assert (run.version, run.run_config) == (3, LocalRun(env={"A": "1"}))
    assert sales.rerun(before, version=2).version == 2
    with pytest.raises(errors.NotFound, match="no version 9"):
        sales.rerun(before, version=9)


def test_a_run_of_a_deleted_version_asks_for_another_one(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    sales.register(**{**SALES, "code_sha256": digest("mended")})
    versions = tables.flow_versions
    first = versions.update().where(versions.c.number == 1).values(deleted_at=sales.server.clock.now)
    sales.server.write(lambda call: call.connection.execute(first))
    with pytest.raises(errors.Conflict, match="version 1 of the flow 'daily' was deleted"):
        sales.rerun(before)
    assert sales.rerun(before, version=0).version == 2


def test_a_task_with_other_inputs_in_the_new_version_runs_anew(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    tasks = [*SALES["tasks"], spec("mail")]
    edges = [*SALES["edges"], edge("apart", "check", "y"), edge("report", "mail")]
    sales.register(**{**SALES, "tasks": tasks, "edges": edges, "structure_sha256": digest("more")})
    found = shown(sales.preview(before, version=0))
    assert found["check"] == (1, 0, "changed")
    assert found["mail"] == (1, 0, "unfinished")
    assert "extract" not in found
    assert "apart" not in found


def test_what_was_set_for_a_run_stays_unless_it_is_changed(sales: Sales) -> None:
    asked = {"labels": ["gpu"], "run_config": LocalRun(env={"B": "2"}), "log_level": "DEBUG"}
    sales.join("two", labels=["gpu"])
    run = sales.create(**asked)
    sales.cancel(run.id)
    again = sales.rerun(run.id)
    assert (again.labels, again.run_config, again.log_level) == (["gpu"], LocalRun(env={"B": "2"}), "DEBUG")
    other = sales.rerun(run.id, labels=[], run_config=LocalRun(), log_level="INFO", name="once more")
    assert (other.labels, other.run_config, other.log_level) == ([], LocalRun(), "INFO")
    assert other.name == "once more"


def test_a_run_that_never_began_is_run_whole(sales: Sales) -> None:
    run = sales.create()
    sales.cancel(run.id)
    preview = sales.preview(run.id)
    assert preview.reused == 0
    assert {task.slug: task.open for task in preview.tasks if task.open} == {"clean": True, "load": True}
    assert "more children" in preview.notes[0]


def test_only_a_finished_run_is_run_again(sales: Sales) -> None:
    run = sales.create()
    with pytest.raises(errors.Conflict, match="is Scheduled: wait for its end, or cancel it"):
        sales.rerun(run.id)
    held = sales.begin()
    sales.finish(held, StateType.PAUSED)
    with pytest.raises(errors.Conflict, match="resume or cancel it"):
        sales.preview(run.id)
    with pytest.raises(errors.NotFound):
        sales.rerun(UUID(int=1))


def test_a_run_in_which_all_succeeded_is_asked_from_where(sales: Sales) -> None:
    good = sales.ended(end=SUCCESS)
    with pytest.raises(errors.Conflict, match="say from which task"):
        sales.rerun(good)
    assert sales.preview(good).notes == ["Nothing would run: every task has succeeded."]
    # lost between its last task and its end: then there is only the end to be repeated
    lost = sales.ended(end=StateType.CRASHED)
    assert sales.rerun(lost).restarted_from == lost


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("claen", "did you mean 'clean'"),
        (("extract", 1), "is not mapped"),
        (("clean", 7), "which has 3 of 'clean'"),
    ],
)
def test_a_task_that_there_is_not_is_refused(sqlite_server: Server, wrong: Any, sentence: str) -> None:
    sales = Sales(sqlite_server)
    before = sales.ended(BROKEN)
    with pytest.raises(errors.HeadraceError, match=sentence):
        sales.rerun(before, tasks=[wrong])


def test_one_request_makes_one_rerun(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    first = sales.rerun(before, request_id="once")
    assert sales.rerun(before, request_id="once").id == first.id
    assert len(sales.server.rows(tables.flow_runs)) == 2
    assert sales.rerun(before, request_id="twice").id != first.id


def test_results_of_a_run_that_is_gone_are_gone_and_everything_runs(sales: Sales) -> None:
    before = sales.ended(BROKEN)
    sales.rerun(before)
    sales.server.write(
        lambda call: call.connection.execute(tables.flow_runs.delete().where(tables.flow_runs.c.id == before))
    )
    assert sales.known(sales.begin()) == {}


def test_an_ordinary_run_asks_for_no_results(sales: Sales) -> None:
    sales.create()
    assert not sales.begin().resumed
