"""The graph: nodes, edges, slugs, order, and what it refuses."""

import time

import pytest

from headrace import Flow, Parameter, errors, flatten, flow, reference_tasks, tags, task, unmapped
from headrace.graph import edge
from headrace.graph.edge import Edge


@task
def extract(day="monday"):
    return [1, 2]


@task
def clean(row, currency="EUR", **more):
    return row


@task(tags={"db"})
def load(rows):
    return rows


def built(body):
    return flow(body).graph


def test_an_argument_is_a_template_and_edges_follow_from_it():
    graph = built(lambda: load([extract(), {"of": clean(extract())}, 3]))
    node = graph.nodes["load"]
    assert node.arguments == {
        "rows": edge.Collection(
            list,
            (
                edge.Reference("extract"),
                edge.Collection(dict, (edge.Constant("of"), edge.Reference("clean"))),
                edge.Constant(3),
            ),
        )
    }
    assert node.upstream == [Edge("extract", "load", "rows"), Edge("clean", "load", "rows")]
    assert graph.nodes["extract"].downstream == [Edge("extract", "load", "rows")]


def test_a_value_without_futures_is_one_constant():
    rows = [1, {"a": (2, {3})}]
    graph = built(lambda: load(rows))
    assert graph.nodes["load"].arguments["rows"] == edge.Constant(rows)
    assert graph.nodes["load"].upstream == []


def test_the_same_future_twice_in_one_argument_makes_one_edge():
    def body():
        rows = extract()
        load([rows, rows])

    assert built(body).nodes["load"].upstream == [Edge("extract", "load", "rows")]


def test_positional_and_keyword_arguments_make_the_same_node():
    first = built(lambda: clean(extract(), "USD")).nodes["clean"]
    second = built(lambda: clean(currency="USD", row=extract())).nodes["clean"]
    assert first.arguments == second.arguments


def test_further_keywords_are_inputs_of_their_own():
    graph = built(lambda: clean(1, size=extract()))
    assert graph.nodes["clean"].arguments["size"] == edge.Reference("extract")
    assert graph.nodes["clean"].upstream == [Edge("extract", "clean", "size")]


def test_slugs_count_the_calls_of_one_name():
    def body():
        for _ in range(3):
            clean(1)
        clean.with_options(name="clean-2")(1)
        clean.with_options(name="Größe der Ernte!")(1)

    assert list(built(body).nodes) == ["clean", "clean-2", "clean-3", "clean-2-2", "Gr-e-der-Ernte"]


def test_mapping_maps_all_that_is_not_unmapped():
    graph = built(lambda: clean.map(extract(), unmapped(extract()), size=[1, 2]))
    node = graph.nodes["clean"]
    assert node.is_mapped
    assert node.mapped == {"row", "size"}
    assert node.upstream == [
        Edge("extract", "clean", "row", mapped=True),
        Edge("extract-2", "clean", "currency"),
    ]


def test_flattening_is_part_of_the_argument():
    node = built(lambda: clean.map(flatten(extract()))).nodes["clean"]
    assert node.arguments["row"] == edge.Flattened(edge.Reference("extract"))
    assert node.upstream == [Edge("extract", "clean", "row", mapped=True, flattened=True)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lambda: clean.map("EUR"), r"clean\.map: 'row' is a str.*row=unmapped"),
        (lambda: clean.map(3), "'row' is a int"),
        (lambda: clean.map({"a": extract()}), "'row' is a dict"),
        (lambda: clean.map({1, 2}), "'row' is a set"),
        (lambda: clean.map(unmapped(extract())), "nothing to map over"),
        (lambda: clean(extract(), curency="EUR"), None),
        (lambda: load(extract(), curency="EUR"), r"task 'load' has no input 'curency' \(there is 'rows'\)"),
        (lambda: load(row=extract()), r"has no input 'row' \(did you mean 'rows'\?\)"),
        (lambda: load(), "task 'load': missing a required argument: 'rows'"),
        (lambda: load(1, 2), "too many positional arguments"),
        (lambda: load(extract), "'extract' is a task, not its value"),
        (lambda: load(1, upstream=[3]), "3 is no task of it"),
        (lambda: load(1, upstream=["extrakt"]), "has no task 'extrakt'"),
    ],
)
def test_a_wrong_call_names_the_task_and_the_fix(body, says):
    if says is None:
        assert built(body)
        return
    with pytest.raises(errors.GraphError, match=says):
        built(body)


def test_order_without_data():
    def body():
        first, second = extract(), extract()
        load(1, upstream=[first, second])
        load(2, upstream=first)
        third = load.map([3], upstream=[second])
        third.set_downstream(clean(4))
        clean(5).set_upstream(first, second)

    graph = built(body)
    assert graph.nodes["load"].upstream == [Edge("extract", "load"), Edge("extract-2", "load")]
    assert graph.nodes["load-2"].upstream == [Edge("extract", "load-2")]
    assert graph.nodes["load-3"].upstream == [Edge("extract-2", "load-3")]
    assert graph.nodes["clean"].upstream == [Edge("load-3", "clean")]
    assert [each.upstream for each in graph.nodes["clean-2"].upstream] == ["extract", "extract-2"]


def test_a_cycle_is_refused_with_its_path():
    def body():
        first = extract()
        second = clean(first)
        third = load(second)
        load(third)
        first.set_upstream(third)

    with pytest.raises(errors.GraphError, match="extract → clean → load → extract") as refused:
        built(body)
    assert "load-2" not in str(refused.value)


def test_what_only_hangs_below_a_cycle_is_not_in_its_path():
    def body():
        below = clean(1)
        first = extract()
        second = load(first)
        first.set_upstream(second)
        below.set_upstream(second)

    with pytest.raises(
        errors.GraphError, match=r"a cycle: (extract → load → extract|load → extract → load);"
    ):
        built(body)


def test_a_task_cannot_wait_for_itself():
    def body():
        first = extract()
        first.set_upstream(first)

    with pytest.raises(errors.GraphError, match="'extract' would wait for itself"):
        built(body)


def test_an_edge_with_a_key_fills_an_input_once():
    with Flow("classical") as f:
        rows = extract()
        loaded = clean.with_options(name="late")(1)
        f.graph.add_edge(rows, loaded, "size", mapped=True, flattened=True)
        with pytest.raises(errors.GraphError, match="the input 'size' of 'late' is given twice"):
            f.graph.add_edge("extract", "late", "size")
        f.graph.add_edge(rows, "late")
    node = f.graph.nodes["late"]
    assert node.arguments["size"] == edge.Flattened(edge.Reference("extract"))
    assert node.mapped == {"size"}
    assert node.upstream == [
        Edge("extract", "late", "size", mapped=True, flattened=True),
        Edge("extract", "late"),
    ]
    with pytest.raises(errors.GraphError, match="has no input 'tabel'"):
        f.graph.add_edge("extract", "extract", "tabel")


def test_nodes_are_ordered_after_their_upstreams_and_otherwise_as_made():
    def body():
        a, b, c = extract(), extract(), extract()
        load(1, upstream=[c])
        a.set_upstream(b)

    assert [node.slug for node in built(body).order()] == ["extract-2", "extract-3", "extract", "load"]


def test_reference_tasks_are_those_that_nobody_waits_for():
    def body(day="monday", unused=1):
        rows = extract(day)
        load(rows)
        clean(rows)

    assert built(body).reference_tasks == ("load", "clean")
    assert built(lambda day=1: None).reference_tasks == ("day",)


def test_reference_tasks_can_be_chosen():
    def body():
        rows = extract()
        reference_tasks(rows)
        load(rows)

    assert built(body).reference_tasks == ("extract",)
    with pytest.raises(errors.GraphError, match="belongs into a flow's body"):
        reference_tasks("extract")
    with pytest.raises(errors.GraphError, match="empty list"):
        built(lambda: reference_tasks())


def test_tags_around_calls_are_added_to_the_tasks_own():
    def body():
        with tags("a", "b"), tags("c"):
            load(1)
        load(2)

    graph = built(body)
    assert graph.nodes["load"].tags == {"a", "b", "c", "db"}
    assert graph.nodes["load-2"].tags == {"db"}


def test_a_value_of_another_flow_is_refused():
    with Flow("one"):
        theirs = extract()
    with Flow("two"), pytest.raises(errors.GraphError, match="belongs to another flow"):
        load(theirs)


def test_a_parameter_and_a_task_may_not_share_a_name():
    with Flow("one"):
        Parameter("day")
        with pytest.raises(errors.GraphError, match="two parameters are called 'day'"):
            Parameter("day")
        extract()
        with pytest.raises(errors.GraphError, match="a task and a parameter are called 'extract'"):
            Parameter("extract")
        assert repr(extract.with_options(name="day")()) == "<Future day-2>"


def test_a_graph_of_five_thousand_tasks_is_built_and_ordered_in_linear_time():
    def body():
        value = extract()
        for _ in range(5000):
            value = clean(value)
        return value

    started = time.process_time()
    graph = built(body)
    assert len(graph.order()) == 5001
    assert graph.reference_tasks == ("clean-5000",)
    assert time.process_time() - started < 5  # 0.2 s on a quiet machine; minutes if anything were quadratic
