"""What tasks print, and where it goes."""

import logging
import sys
import threading

import pytest

from headrace.engine import prints

logger = logging.getLogger("printed")


def test_only_the_context_that_asks_is_redirected(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    before = sys.stdout
    entered, printed = threading.Event(), threading.Event()

    def beside() -> None:
        entered.wait()
        print("beside")
        printed.set()

    other = threading.Thread(target=beside)
    other.start()
    with prints.logged(logger):
        print("two", "words")
        entered.set()
        printed.wait()
        print("three\nlines\n", end="rest")
    other.join()
    assert [each.getMessage() for each in caplog.records] == ["two words", "three", "lines", "rest"]
    assert capsys.readouterr().out == "beside\n"
    assert sys.stdout is before


def test_a_handler_that_prints_does_not_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    class Prints(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("handled", record.getMessage())

    handler = Prints()
    loud = logging.getLogger("loud")
    loud.setLevel(logging.INFO)
    loud.addHandler(handler)
    with prints.logged(loud):
        print("once")
    loud.removeHandler(handler)
    assert capsys.readouterr().out == "handled once\n"
