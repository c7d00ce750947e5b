"""What tasks print and log arrives from every executor."""

import logging
from typing import Any

import pytest

from headrace.graph import task


@task.task(log_prints=True)
def speak(word: str) -> None:
    print(word)
    logging.getLogger("mine").warning("%s is logged", word)
    print(word, "again", end="")


def test_prints_and_records_are_logged_in_order(
    bench: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        bench.run(lambda: speak.map(["hello"]))
    told = [each for each in caplog.records if each.name in ("headrace.task", "mine")]
    assert [(each.name, each.getMessage()) for each in told] == [
        ("headrace.task", "hello"),
        ("mine", "hello is logged"),
        ("headrace.task", "hello again"),
    ]
    assert capsys.readouterr().out == ""
