"""Resources are cleaned up on every executor."""

from pathlib import Path
from typing import Any

from headrace.graph import resources
from small_tasks import add, fail, note, noted


class Room:
    def __init__(self, path: str) -> None:
        self.path = path

    def setup(self) -> str:
        note(self.path, "open")
        return self.path

    def cleanup(self, value: str) -> None:
        note(value, "close")


room: Any = resources.resource(Room)


def test_a_resource_is_cleaned_up_whatever_happens_inside(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "room"

    def body() -> None:
        with room(str(path)) as place:
            add(noted(place, 1))
            fail(place)

    state = bench.run(body)
    assert state.type == "Failed"
    assert path.read_text().splitlines() == ["open", "x", "close"]
