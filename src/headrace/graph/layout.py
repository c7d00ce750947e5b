"""Where the nodes of a drawing lie: in layers from top to bottom, ordered within each so that few edges cross."""

import dataclasses
import itertools
from collections.abc import Sequence

from headrace.graph import graph

ROW_HEIGHT = 36
ROW_GAP = 52
COLUMN_GAP = 28
MARGIN = 16
_SWEEPS = 6
#: Above this edges go straight: a drawing of so many is looked at from afar.
_MOST_BENDS = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """A node's place: its centre and size."""

    x: float
    y: float
    width: float
    height: float


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Every node's box by slug, where edges over several layers bend, and the size of the whole."""

    boxes: dict[str, Box]
    #: (upstream, downstream) → the points it passes, one in each layer between.
    bends: dict[tuple[str, str], list[tuple[float, float]]]
    width: float
    height: float


def lay_out(drawn: graph.Graph, widths: dict[str, float]) -> Layout:
    """Ranks by the longest path, then sweeps that move each node to the mean of its neighbours."""
    net = _Net(drawn)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        places = {item: place for layer in net.layers for item, place in _relative(layer).items()}
        for layer in net.layers[1:] if downwards else net.layers[-2::-1]:
            _reorder(layer, net.above if downwards else net.below, places)
            places.update(_relative(layer))
    return _placed(net, widths)


#: A node's slug, or the place where an edge passes a layer: upstream, downstream, rank.
_Item = str | tuple[str, str, int]


class _Net:
    """Nodes and passing edges by layer, and what each hangs on above and below."""

    def __init__(self, drawn: graph.Graph) -> None:
        ranks = _ranks(drawn)
        self.layers: list[list[_Item]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
        self.above: dict[_Item, list[_Item]] = {}
        self.below: dict[_Item, list[_Item]] = {}
        for slug, rank in ranks.items():
            self.layers[rank].append(slug)
        pairs = dict.fromkeys((each.upstream, each.downstream) for each in drawn.edges)
        straight = sum(ranks[end] - ranks[start] - 1 for start, end in pairs) > _MOST_BENDS
        for start, end in pairs:
            chain: list[_Item] = [start]
            for rank in () if straight else range(ranks[start] + 1, ranks[end]):
                chain.append((start, end, rank))
                self.layers[rank].append(chain[-1])
            chain.append(end)
            for upper, lower in itertools.pairwise(chain):
                self.above.setdefault(lower, []).append(upper)
                self.below.setdefault(upper, []).append(lower)


def _ranks(drawn: graph.Graph) -> dict[str, int]:
    """Layers by slug. What has no upstream comes down to just above the first that needs it."""
    ranks: dict[str, int] = {}
    for node in drawn.order():
        ranks[node.slug] = max((ranks[each.upstream] + 1 for each in node.upstream), default=0)
    for node in drawn.order():
        if not node.upstream and node.downstream:
            ranks[node.slug] = min(ranks[each.downstream] for each in node.downstream) - 1
    return ranks


def _relative(layer: Sequence[_Item]) -> dict[_Item, float]:
    """Places from 0 to 1 across a layer, so that layers of different length can be compared."""
    return {item: (place + 0.5) / len(layer) for place, item in enumerate(layer)}


def _reorder(layer: list[_Item], near: dict[_Item, list[_Item]], places: dict[_Item, float]) -> None:
    def mean(item: _Item) -> float:
        others = near.get(item, [])
        return sum(places[other] for other in others) / len(others) if others else places[item]

    layer.sort(key=mean)


def _placed(net: _Net, widths: dict[str, float]) -> Layout:
    def width(item: _Item) -> float:
        return widths[item] if isinstance(item, str) else 0.0

    lengths = [sum(map(width, layer)) + COLUMN_GAP * (len(layer) - 1) for layer in net.layers]
    widest = max(lengths, default=0.0)
    boxes: dict[str, Box] = {}
    bends: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for rank, (layer, length) in enumerate(zip(net.layers, lengths, strict=True)):
        left = MARGIN + (widest - length) / 2
        y = MARGIN + ROW_HEIGHT / 2 + rank * (ROW_HEIGHT + ROW_GAP)
        for item in layer:
            if isinstance(item, str):
                boxes[item] = Box(left + widths[item] / 2, y, widths[item], ROW_HEIGHT)
            else:
                bends.setdefault(item[:2], []).append((left, y))
            left += width(item) + COLUMN_GAP
    height = len(net.layers) * (ROW_HEIGHT + ROW_GAP) - ROW_GAP if net.layers else 0.0
    return Layout(boxes, bends, widest + 2 * MARGIN, height + 2 * MARGIN)
