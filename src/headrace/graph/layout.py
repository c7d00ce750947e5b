"""Where the nodes of a drawing lie: in layers from top to bottom, ordered within each so that few edges cross."""

import dataclasses
from collections.abc import Sequence

from headrace.graph import graph

ROW_HEIGHT = 36
ROW_GAP = 52
COLUMN_GAP = 28
MARGIN = 16
_SWEEPS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """A node's place: its centre and size."""

    x: float
    y: float
    width: float
    height: float


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Every node's box by slug, and the size of the whole."""

    boxes: dict[str, Box]
    width: float
    height: float


def lay_out(drawn: graph.Graph, widths: dict[str, float]) -> Layout:
    """Ranks by the longest path, then sweeps that move each node to the mean of its neighbours."""
    layers = _layers(drawn)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        places = {slug: place for layer in layers for slug, place in _relative(layer).items()}
        for layer in layers[1:] if downwards else layers[-2::-1]:
            _reorder(layer, drawn, places, downwards=downwards)
            places.update(_relative(layer))
    return _placed(layers, widths)


def _layers(drawn: graph.Graph) -> list[list[str]]:
    """Slugs by rank. What has no upstream comes down to just above the first that needs it."""
    ranks: dict[str, int] = {}
    for node in drawn.order():
        ranks[node.slug] = max((ranks[each.upstream] + 1 for each in node.upstream), default=0)
    for node in drawn.order():
        if not node.upstream and node.downstream:
            ranks[node.slug] = min(ranks[each.downstream] for each in node.downstream) - 1
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for slug, rank in ranks.items():
        layers[rank].append(slug)
    return layers


def _relative(layer: Sequence[str]) -> dict[str, float]:
    """Places from 0 to 1 across a layer, so that layers of different length can be compared."""
    return {slug: (place + 0.5) / len(layer) for place, slug in enumerate(layer)}


def _reorder(layer: list[str], drawn: graph.Graph, places: dict[str, float], *, downwards: bool) -> None:
    def mean(slug: str) -> float:
        node = drawn.nodes[slug]
        near = (
            [each.upstream for each in node.upstream]
            if downwards
            else [each.downstream for each in node.downstream]
        )
        return sum(places[other] for other in near) / len(near) if near else places[slug]

    layer.sort(key=mean)


def _placed(layers: list[list[str]], widths: dict[str, float]) -> Layout:
    lengths = [sum(widths[slug] for slug in layer) + COLUMN_GAP * (len(layer) - 1) for layer in layers]
    widest = max(lengths, default=0.0)
    boxes: dict[str, Box] = {}
    for rank, (layer, length) in enumerate(zip(layers, lengths, strict=True)):
        left = MARGIN + (widest - length) / 2
        y = MARGIN + ROW_HEIGHT / 2 + rank * (ROW_HEIGHT + ROW_GAP)
        for slug in layer:
            boxes[slug] = Box(left + widths[slug] / 2, y, widths[slug], ROW_HEIGHT)
            left += widths[slug] + COLUMN_GAP
    height = len(layers) * (ROW_HEIGHT + ROW_GAP) - ROW_GAP if layers else 0.0
    return Layout(boxes, widest + 2 * MARGIN, height + 2 * MARGIN)
