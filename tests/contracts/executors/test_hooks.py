"""Hooks hear of every state on every executor."""

from typing import Any

import pytest

from small_tasks import add


def test_hooks_hear_of_every_state_and_cannot_break_it(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def hook(what: Any, before: Any, after: Any) -> None:
        heard.append(f"{what.name}: {before.name} → {after.name}")
        if after.name == "Success":
            raise OSError("no network")

    state = bench.run(lambda: add.with_options(on_state=hook)(1), on_state=(hook,))
    assert state.type == "Success"
    assert heard == [
        "small: Pending → Running",
        "add: Pending → Running",
        "add: Running → Success",
        "small: Running → Success",
    ]
    assert "OSError: no network" in caplog.text
