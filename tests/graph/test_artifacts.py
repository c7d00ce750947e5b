"""R15: what may be shown, and what is said of what may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headrace import artifacts, errors
from headrace.engine import outcome
from headrace.flows import Flow
from headrace.graph import task
from headrace.wire import artifacts as wire

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def showing(make: Callable[[], None]) -> outcome.FlowState:
    """A run with one task that does this."""
    with Flow("small") as built:
        task.Task(make, name="one")()
    return built.run()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: artifacts.markdown("x" * 600_000, key="long"), "the markdown 'long' is too large"),
        (lambda: artifacts.table([[1, 2], [3]], columns=["a", "b"]), "row 1 of the table has 1 cells"),
        (lambda: artifacts.table([[1, 2]]), "needs names for its columns"),
        (lambda: artifacts.table([["x" * 300_000]] * 10, columns=["a"]), "the table is too large"),
        (lambda: artifacts.table([[1]] * 10_001, columns=["a"]), "not 10001 of 1: show the first"),
        (lambda: artifacts.link("javascript:alert(1)"), "cannot be linked to"),
        (lambda: artifacts.link("https://a b"), "cannot be linked to"),
        (lambda: artifacts.image(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "save the drawing as PNG"),
        (lambda: artifacts.image(PNG + bytes(5 * 1024 * 1024)), "the image is too large"),
        (lambda: artifacts.markdown("x", key="a\nb"), "cannot be a key"),
    ],
)
def test_what_cannot_be_shown_says_why(make: Callable[[], None], words: str) -> None:
    state = showing(make)
    assert state.is_failure
    assert words in state.message
    assert state.artifacts == []


def test_of_a_thousand_and_more_the_rest_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def many() -> None:
        for number in range(1005):
            artifacts.markdown(str(number))

    state = showing(many)
    assert len(state.artifacts) == 1000
    assert sum("those that follow are not kept" in each.getMessage() for each in caplog.records) == 1


def test_outside_a_run_there_is_nobody_to_show_it_to() -> None:
    with pytest.raises(errors.GraphError, match="artifacts are made while a flow runs"):
        artifacts.markdown("hello")


def test_a_data_frame_is_a_table() -> None:
    class Frame:
        columns = ("day", 2026)

        def itertuples(self, *, index: bool, name: None) -> list[tuple[object, ...]]:
            assert (index, name) == (False, None)
            return [("monday", 3), ("tuesday", None)]

    state = showing(lambda: artifacts.table(Frame()))  # type: ignore[arg-type] - as pandas has it
    assert state.artifacts[0].body == wire.Table(["day", "2026"], [["monday", 3], ["tuesday", None]])


def test_a_file_is_shown_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "drawing.png"
    path.write_bytes(PNG)
    assert showing(lambda: artifacts.image(str(path))).artifacts[0].image == PNG


def test_text_that_no_database_takes_is_mended() -> None:
    state = showing(lambda: artifacts.markdown("a\x00b\ud800", title="t\x00"))
    assert state.artifacts[0].body == wire.Markdown("a\ufffdb?")
    assert state.artifacts[0].title == "t\ufffd"


@pytest.mark.parametrize(("share", "shown"), [(-1, 0.0), (2, 1.0), (float("nan"), None), (0.25, 0.25)])
def test_a_share_is_between_nothing_and_all(share: float, shown: float | None) -> None:
    assert showing(lambda: _progress(share)).artifacts[0].body == wire.Progress(shown)


def _progress(share: float) -> None:
    artifacts.progress(share)
