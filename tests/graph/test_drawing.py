"""Drawings: SVG that parses, kinds told apart, states coloured, names escaped."""

import itertools
import xml.etree.ElementTree as ElementTree

from headrace import Flow, case, flow, task
from headrace.graph import layout

SVG = "{http://www.w3.org/2000/svg}"


@task
def extract():
    return [1, 2]


@task
def clean(row):
    return row


@flow(name="<daily & co>")
def daily(day: str = "monday"):
    rows = extract(upstream=[clean(day)])
    with case(rows, False):
        clean.with_options(name="nothing")(rows)
    return clean.map(rows) + 1


def nodes(svg):
    root = ElementTree.fromstring(svg)
    return {each.find(f"{SVG}title").text: each.get("class") for each in root.iter(f"{SVG}g")}, root


def test_kinds_of_nodes_and_edges_are_told_apart():
    found, root = nodes(daily.visualize().svg)
    assert found["day: parameter"] == "node parameter"
    assert found["clean-2: task"] == "node task mapped"
    assert found["case: case"] == "node case"
    assert found["add: operator"] == "node operator"
    edges = [
        each.get("class") for each in root.iter(f"{SVG}path") if (each.get("class") or "").startswith("edge")
    ]
    assert sorted(set(edges)) == ["edge case", "edge data", "edge mapped", "edge order"]
    assert len(edges) == len(list(daily.graph.edges))


def test_a_runs_states_give_the_colours():
    state = daily.with_options(name="d").run()
    found, root = nodes(daily.visualize(state).svg)
    assert "clean-2: Success" in found
    assert "nothing: Skipped" in found
    assert "add: Failed" in found
    fills = {each.find(f"{SVG}title").text: each[-2].get("fill") for each in root.iter(f"{SVG}g")}
    assert len({fills["extract: Success"], fills["nothing: Skipped"], fills["add: Failed"]}) == 3


def test_names_are_escaped():
    svg = daily.visualize().svg
    assert "&lt;daily &amp; co&gt;" in svg
    assert nodes(svg)


def test_notebooks_show_it_by_themselves(tmp_path):
    drawing = daily.visualize(path=tmp_path / "daily.svg")
    assert (tmp_path / "daily.svg").read_text() == drawing.svg
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing.svg
    assert drawing.svg in drawing._repr_html_()
    assert daily._repr_mimebundle_()["image/svg+xml"] == drawing.svg


def test_an_empty_flow_is_a_drawing_too():
    with Flow("empty") as f:
        pass
    assert nodes(f.visualize().svg)[0] == {}


def test_edges_go_down_and_boxes_do_not_overlap():
    @flow
    def wide():
        ends = [clean(clean(1)) for _ in range(5)]
        return clean([*ends, clean(2)])

    placed = layout.lay_out(wide.graph, dict.fromkeys(wide.graph.nodes, 80.0))
    for each in wide.graph.edges:
        assert placed.boxes[each.upstream].y < placed.boxes[each.downstream].y
    rows = {}
    for box in placed.boxes.values():
        rows.setdefault(box.y, []).append(box)
    for row in rows.values():
        lefts = sorted(box.x for box in row)
        assert all(right - left >= 80 for left, right in itertools.pairwise(lefts))
    assert len(rows) == 3


def test_chains_side_by_side_are_drawn_without_crossing():
    @flow
    def chains():
        firsts = [extract() for _ in range(6)]
        return [clean(each) for each in reversed(firsts)]

    placed = layout.lay_out(chains.graph, dict.fromkeys(chains.graph.nodes, 80.0))
    for each in chains.graph.edges:
        assert placed.boxes[each.upstream].x == placed.boxes[each.downstream].x


def test_an_edge_over_several_layers_keeps_clear_of_the_boxes_it_passes():
    @flow
    def long_way():
        first = extract()
        value = first
        for _ in range(4):
            value = clean(value)
        return clean([first, value])

    placed = layout.lay_out(long_way.graph, dict.fromkeys(long_way.graph.nodes, 80.0))
    bends = placed.bends["extract", "clean-5"]
    assert len(bends) == 4
    for x, y in bends:
        beside = [box for box in placed.boxes.values() if box.y == y]
        assert beside
        assert all(abs(box.x - x) > box.width / 2 for box in beside)
