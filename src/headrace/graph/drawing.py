"""A graph as SVG, for notebooks and files: kinds of nodes and edges told apart, coloured by a run's states when given."""

import dataclasses
import html
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.graph import conditions, edge, graph, layout

#: Fill and line by the name of a state, else by its type.
_COLOURS = {
    "Success": ("#d7f2df", "#1f7a3d"),
    "Cached": ("#d5efe9", "#14746a"),
    "Skipped": ("#eceef1", "#6b7280"),
    "Failed": ("#fbdcdc", "#b42318"),
    "Crashed": ("#f5d5e8", "#a11a6b"),
    "Cancelled": ("#e9e2d8", "#78593a"),
    "Cancelling": ("#e9e2d8", "#78593a"),
    "Running": ("#dbe8fd", "#1d5fd1"),
    "Paused": ("#fdf0cf", "#8a6100"),
    "Submitted": ("#e3e1fb", "#4b3fb8"),
    "Scheduled": ("#f4f5f7", "#4b5563"),
}
_UNCOLOURED = ("#ffffff", "#374151")
_LONGEST_LABEL = 32
_CHARACTER = 7.2
_PADDING = 28


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn graph. Notebooks show it by themselves."""

    svg: str

    def save(self, path: str | Path) -> Path:
        """Writes the SVG to a file."""
        target = Path(path).expanduser()
        target.write_text(self.svg, encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.svg}</div>'

    def _repr_mimebundle_(self, **_asked: Any) -> dict[str, str]:
        return {"text/plain": "<Drawing>", "image/svg+xml": self.svg, "text/html": self._repr_html_()}


def draw(drawn: graph.Graph, state: Any = None) -> Drawing:
    """Draws a graph; `state` is what a run of it answered."""
    widths = {slug: len(_label(node)) * _CHARACTER + _PADDING for slug, node in drawn.nodes.items()}
    placed = layout.lay_out(drawn, widths)
    tasks: Any = {} if state is None else state.tasks
    size = f'width="{placed.width:.0f}" height="{placed.height:.0f}" viewBox="0 0 {placed.width:.0f} {placed.height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{html.escape(drawn.name)}</title>",
        '<defs><marker id="headrace-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#6b7280"/></marker></defs>',
        *(part for each in drawn.edges for part in _edge(each, drawn, placed)),
        *(part for node in drawn.nodes.values() for part in _node(node, placed.boxes[node.slug], tasks)),
        "</svg>",
    ]
    return Drawing("\n".join(parts))


def _label(node: graph.Node) -> str:
    label = node.slug if len(node.slug) <= _LONGEST_LABEL else f"{node.slug[: _LONGEST_LABEL - 1]}…"
    return f"{label} [ ]" if node.is_mapped else label


def _node(node: graph.Node, box: layout.Box, tasks: Any) -> Iterator[str]:
    found = tasks.get(node.slug)
    fill, line = (
        _UNCOLOURED
        if found is None
        else _COLOURS.get(found.name) or _COLOURS.get(str(found.type), _UNCOLOURED)
    )
    says = f"{node.slug}: {node.kind}" if found is None else f"{node.slug}: {found.name}"
    yield f'<g class="node {node.kind}{" mapped" if node.is_mapped else ""}"><title>{html.escape(says)}</title>'
    left, top = box.x - box.width / 2, box.y - box.height / 2
    look = f'fill="{fill}" stroke="{line}"'
    if node.is_mapped:  # a pile of children
        yield _rectangle(left + 4, top - 4, box, look, round_by=6)
    match node.kind:
        case "case" | "merge":
            points = (
                (left, box.y),
                (left + 12, top),
                (left + box.width - 12, top),
                (left + box.width, box.y),
            )
            below = ((left + box.width - 12, top + box.height), (left + 12, top + box.height))
            yield f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points + below)}" {look}/>'
        case "parameter" | "operator":
            yield _rectangle(left, top, box, look, round_by=box.height / 2)
        case "resource":
            yield _rectangle(left, top, box, f'{look} stroke-dasharray="6 3"', round_by=6)
        case "flow":
            yield _rectangle(left, top, box, f'{look} stroke-width="3"', round_by=6)
        case _:
            yield _rectangle(left, top, box, look, round_by=6)
    yield f'<text x="{box.x:.1f}" y="{box.y + 4:.1f}" text-anchor="middle" fill="{line}">{html.escape(_label(node))}</text></g>'


def _rectangle(left: float, top: float, box: layout.Box, look: str, *, round_by: float) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{round_by:.0f}" {look}/>'


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (left, top), (right, bottom) = start, end
    middle = (top + bottom) / 2
    return f"C{left:.1f} {middle:.1f} {right:.1f} {middle:.1f} {right:.1f} {bottom:.1f}"


def _edge(each: edge.Edge, drawn: graph.Graph, placed: layout.Layout) -> Iterator[str]:
    start, end = placed.boxes[each.upstream], placed.boxes[each.downstream]
    first = (start.x, start.y + start.height / 2)
    passed = placed.bends.get((each.upstream, each.downstream), [])
    # Each layer that it passes is crossed upright, so that it keeps clear of the boxes there.
    upright = [(x, y + side * layout.ROW_HEIGHT / 2) for x, y in passed for side in (-1, 1)]
    stops = [first, *upright, (end.x, end.y - end.height / 2 - 1)]
    path = f"M{first[0]:.1f} {first[1]:.1f}" + "".join(_curve(*pair) for pair in itertools.pairwise(stops))
    style = ' stroke-dasharray="4 3"' if each.key is None and not each.case else ""
    weight = "2" if each.mapped else "1.2"
    kind = "case" if each.case else "order" if each.key is None else "mapped" if each.mapped else "data"
    yield (
        f'<path class="edge {kind}" d="{path}" fill="none" stroke="#6b7280" stroke-width="{weight}"{style} '
        'marker-end="url(#headrace-arrow)"/>'
    )
    if each.case:
        label = html.escape(conditions.branch(drawn.nodes[each.upstream]))
        x, y = (first[0] + stops[1][0]) / 2 + 5, (first[1] + stops[1][1]) / 2
        yield f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="#4b5563">{label}</text>'
