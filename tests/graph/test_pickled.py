"""Content that an older release made is read by a newer one."""

import dataclasses
import pickle

from headrace.graph import flow_options, pickled


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a release knew."""

    name: str
    gone: int = 1


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What the next one knows."""

    added: tuple[int, ...] = (1, 2)
    made: list[int] = dataclasses.field(default_factory=list[int])
    name: str


def test_a_field_that_the_content_does_not_know_gets_its_default() -> None:
    content = pickle.dumps(Before(name="daily", gone=2), protocol=2).replace(b"\nBefore\n", b"\nAfter\n")
    restored = pickle.loads(content)
    assert restored == After(name="daily")
    assert restored.made is not pickle.loads(content).made


def test_a_flows_options_are_pickled_by_name() -> None:
    options = flow_options.Options.__getstate__
    assert options is Before.__getstate__
