"""What of an exception may leave the process."""

import os

import pytest

from headrace import flow, task
from headrace.executors import tracebacks


def raising() -> BaseException:
    secret = "canary-local"
    try:
        try:
            raise KeyError("inner")  # canary-line
        except KeyError as error:
            raise ValueError(f"outer\n{len(secret)}") from error
    except ValueError as error:
        return error


def test_a_stripped_traceback_has_places_and_causes_but_no_source_and_no_values() -> None:
    text = tracebacks.strip(raising())
    assert "canary" not in text
    assert "KeyError: 'inner'" in text
    assert text.endswith("ValueError: outer 12")
    assert text.count(f'File "{__file__}", line ') == 2
    assert "in raising" in text
    assert text.index("KeyError") < text.index("direct cause") < text.index("ValueError")


def test_a_cause_that_leads_back_to_itself_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert tracebacks.strip(one).count("ValueError") == 2


def test_a_group_tells_its_members() -> None:
    assert "1: KeyError: 'a'" in tracebacks.strip(ExceptionGroup("both", [KeyError("a"), ValueError("b")]))


def test_an_exception_whose_text_fails_is_still_told() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "Mute" in tracebacks.sentence(Mute())
    assert "RuntimeError" in tracebacks.sentence(Mute())


def test_the_text_of_an_exception_stays_here_where_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADRACE_HIDE_EXCEPTION_TEXT", "1")
    tracebacks._text_is_hidden.cache_clear()
    try:
        assert tracebacks.sentence(ValueError("a secret")) == "ValueError"
        assert "a secret" not in tracebacks.strip(ValueError("a secret"))
    finally:
        tracebacks._text_is_hidden.cache_clear()


def test_our_own_frames_are_left_out_where_there_are_the_users() -> None:
    @task
    def breaks() -> None:
        raise ValueError("here")

    @flow
    def broken() -> None:
        breaks()

    shown = tracebacks.strip(broken.run().tasks["breaks"].exception)
    assert __file__ in shown
    assert f"headrace{os.sep}engine" not in shown
