"""A run's log: records with their task, and nothing in them that must not leave."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from headrace.engine import logs
from headrace.graph import context
from headrace.wire import runs

TOKEN = "hr_run_/token+value=="


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[runs.LogRecord] = []
        self.lost = 0

    def log(self, record: runs.LogRecord) -> None:
        self.records.append(record)

    def dropped(self, count: int) -> None:
        self.lost += count

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    with logs.captured(kept, level="INFO", secrets=[TOKEN], extra_loggers=["lonely"]):
        yield kept


TASK = context.Task(context.Run("1", "f", {}), task_name="load", task_slug="load-2", map_index=3)


def test_a_record_says_which_task_logged_it(kept: Kept) -> None:
    logging.getLogger("mine").warning("outside %s", 1)
    with context.entered(TASK):
        logging.getLogger("mine").info("inside")
    outside, inside = kept.records
    assert (outside.level, outside.logger, outside.message, outside.task, outside.map_index) == (
        30,
        "mine",
        "outside 1",
        None,
        -1,
    )
    assert (inside.task, inside.map_index) == ("load-2", 3)


def test_the_runs_level_decides(kept: Kept) -> None:
    logging.getLogger("mine").debug("no")
    assert kept.messages == []


def test_a_logger_that_does_not_pass_on_is_captured_by_name(kept: Kept) -> None:
    lonely = logging.getLogger("lonely")
    lonely.propagate = False
    try:
        lonely.info("here")
    finally:
        lonely.propagate = True
    assert kept.messages == ["here"]


def test_a_traceback_has_neither_source_lines_nor_locals(kept: Kept) -> None:
    secret_local = "canary"
    try:
        raise ValueError("said aloud")  # canary-in-source
    except ValueError:
        logging.getLogger("mine").exception("failed")
    (message,) = kept.messages
    assert "ValueError: said aloud" in message
    assert "test_logs.py" in message
    assert "canary" not in message.replace("canary-free", "")
    assert secret_local


@pytest.mark.parametrize("spelling", [TOKEN, "hr_run_%2Ftoken%2Bvalue%3D%3D", "aHJfcnVuXy90b2tlbit2YWx1ZT09"])
def test_the_token_is_taken_out_in_every_spelling(kept: Kept, spelling: str) -> None:
    logging.getLogger("mine").info("see %s!", spelling)
    assert kept.messages == ["see [redacted]!"]


def test_a_long_message_is_cut(kept: Kept) -> None:
    logging.getLogger("mine").info("ä" * 100_000)
    (message,) = kept.messages
    assert len(message.encode()) < logs.MESSAGE_BYTES + 100
    assert message.endswith("more bytes)")


def test_arguments_that_do_not_fit_lose_no_line() -> None:
    kept = Kept()
    logs.RunHandler(kept, level=0).handle(logging.makeLogRecord({"msg": "%d things", "args": ("many",)}))
    assert "%d things" in kept.messages[0]


def test_a_flood_is_cut_and_counted() -> None:
    kept, now = Kept(), [0.0]
    bucket = logs.Bucket(rate=10, burst=100, clock=lambda: now[0])
    handler = logs.RunHandler(kept, level=0, bucket=bucket)
    record = logging.makeLogRecord({"msg": "x"})
    for _ in range(150):
        handler.handle(record)
    assert (len(kept.records), kept.lost) == (100, 50)
    now[0] = 2.0
    for _ in range(30):
        handler.handle(record)
    assert (len(kept.records), kept.lost) == (120, 60)


def test_what_is_printed_outside_of_tasks_is_logged_line_by_line() -> None:
    kept = Kept()
    with logs.captured(kept, level="INFO"):
        sys.stdout.write("one\ntwo")
        sys.stderr.write("three\n")
        with context.entered(TASK):
            sys.stdout.write("a task's own\n")
        sys.stdout.write(" more\nrest")
    said = [(record.logger, record.message) for record in kept.records]
    assert said == [("stdout", "one"), ("stderr", "three"), ("stdout", "two more"), ("stdout", "rest")]


def test_a_thread_that_fails_is_logged_without_source(kept: Kept) -> None:
    def fail() -> None:
        raise RuntimeError("in a thread")  # canary

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    (message,) = kept.messages
    assert "worker" in message
    assert "RuntimeError: in a thread" in message
    assert "canary" not in message


def test_a_warning_is_logged_without_its_line(kept: Kept) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._warned
        warnings.warn("mind the gap", stacklevel=1)  # canary
    (record,) = kept.records
    assert (record.logger, record.level) == ("py.warnings", 30)
    assert "mind the gap" in record.message
    assert "canary" not in record.message


def test_everything_is_as_before_afterwards() -> None:
    root, out, hook = logging.getLogger(), sys.stdout, threading.excepthook
    before = root.level, list(root.handlers)
    with logs.captured(Kept(), level="DEBUG"):
        assert root.level == logging.DEBUG
    assert (root.level, list(root.handlers)) == before
    assert (sys.stdout, threading.excepthook) == (out, hook)
