"""What registration sends, and the digests that decide versions."""

import os
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta

import msgspec
import pytest

from headrace import (
    CachePolicy,
    Flow,
    LocalRun,
    Parameter,
    ThreadExecutor,
    case,
    errors,
    every,
    flow,
    resource,
    some_failed,
    task,
    unmapped,
)


@task(retries=3, retry_delay=[2, 5], timeout=60, tags={"db"}, description="Reads the rows.")
def extract(day):
    return [day]


@task(cache=timedelta(hours=1), trigger=some_failed(2))
def clean(row, currency):
    return row, currency


def fill():
    day = Parameter("day", type=str, default="monday")
    rows = extract(day)
    cleaned = clean.map(rows, unmapped("EUR"))
    with case(rows, True):
        clean.with_options(name="late")(1, 2, upstream=[cleaned])


@flow(name="daily")
def daily(day: str = "monday"):
    rows = extract(day)
    cleaned = clean.map(rows, unmapped("EUR"))
    with case(rows, True):
        clean.with_options(name="late")(1, 2, upstream=[cleaned])
    return cleaned


def code(body, **given):
    return flow(body).with_options(**given).describe(project="p").code_sha256


def test_the_structure_names_tasks_edges_and_settings():
    changed = daily.with_options(
        executor=ThreadExecutor(workers=4),
        run_config=LocalRun(env={"A": "${A}"}),
        labels=["gpu", "big"],
        schedule=every(timedelta(hours=1)),
        retries=2,
        retry_delay=30,
        timeout=timedelta(minutes=5),
        on_lost="reschedule",
        lost_after=60,
        description="Every day.",
    )
    sent = msgspec.to_builtins(changed.describe(project="sales", content_sha256="c0"))
    assert (sent["name"], sent["project"]) == ("daily", "sales")
    assert [each["slug"] for each in sent["tasks"]] == ["day", "extract", "clean", "case", "late"]
    assert sent["tasks"][1] == {
        "slug": "extract",
        "name": "extract",
        "tags": ["db"],
        "retries": 3,
        "retry_delay_seconds": 2.0,
        "timeout_seconds": 60.0,
        "description": "Reads the rows.",
    }
    assert sent["tasks"][2] == {
        "slug": "clean",
        "name": "clean",
        "trigger": "some_failed(2)",
        "cache": "3600 s by inputs",
        "mapped": True,
    }
    assert sent["edges"] == [
        {"upstream": "day", "downstream": "extract", "key": "day"},
        {"upstream": "extract", "downstream": "clean", "key": "row", "mapped": True},
        {"upstream": "extract", "downstream": "case", "key": "value"},
        {"upstream": "clean", "downstream": "late"},
        {"upstream": "case", "downstream": "late", "case": "True"},
    ]
    assert sent["parameters"] == [
        {"name": "day", "required": False, "default": "monday", "schema": {"type": "string"}}
    ]
    assert sent["reference_tasks"] == ["late"]
    assert sent["executor"] == {"kind": "thread", "workers": 4}
    assert sent["run_config"] == {"kind": "local", "env": {"A": "${A}"}}
    assert sent["labels"] == ["big", "gpu"]
    assert (sent["retries"], sent["retry_delay_seconds"], sent["timeout_seconds"]) == (2, 30.0, 300.0)
    assert (sent["on_lost"], sent["lost_after_seconds"], sent["description"]) == (
        "reschedule",
        60.0,
        "Every day.",
    )
    assert sent["content_sha256"] == "c0"
    assert len(sent["schedules"]) == 1


def test_both_forms_give_the_same_graph_and_the_same_digests():
    with Flow("daily") as classical:
        fill()
    one, other = daily.describe(project="p"), classical.describe(project="p")
    assert one == other
    assert one.structure_sha256 == other.structure_sha256
    assert one.code_sha256 == other.code_sha256


def test_only_what_makes_a_version_changes_the_structure_digest():
    def digest(changed):
        return changed.describe(project="p").structure_sha256

    plain = digest(daily)
    assert (
        digest(daily.with_options(labels=["x"], schedule=every(timedelta(hours=1)), description="x")) == plain
    )
    assert digest(daily.with_options(executor=ThreadExecutor())) == plain
    assert digest(daily.with_options(retries=1)) != plain
    assert digest(daily.with_options(on_lost="reschedule")) != plain
    assert digest(flow(lambda: extract(1))) == digest(flow(lambda: extract(2)))
    assert digest(flow(lambda: extract(1))) != digest(flow(lambda: extract(extract(1))))
    assert digest(flow(lambda: extract.with_options(description="x")(1))) == digest(flow(lambda: extract(1)))
    assert digest(flow(lambda: extract.with_options(retries=1)(1))) != digest(flow(lambda: extract(1)))
    assert digest(flow(lambda day=1: None)) != digest(flow(lambda day=2: None))


def test_constants_and_options_in_code_change_the_code_digest():
    plain = code(lambda: extract("a"))
    assert code(lambda: extract("a")) == plain
    assert code(lambda: extract("b")) != plain
    assert code(lambda: extract.with_options(target="{day}.csv")("a")) != plain
    assert code(lambda: extract.with_options(cache=CachePolicy(), cache_key=lambda day: day)("a")) != plain
    assert code(lambda: extract.with_options(description="other words")("a")) == plain
    assert code(lambda: extract("a"), retries=2) == plain


def test_a_sub_flow_is_part_of_the_code_with_what_it_returns():
    def parent(child):
        return flow(lambda: flow(child, name="child")()).describe(project="p").code_sha256

    flow_of = lambda body: flow(name="child")(body)  # noqa: E731
    first = code(lambda: flow_of(lambda: extract(1))())
    assert code(lambda: flow_of(lambda: extract(1))()) == first
    assert code(lambda: flow_of(lambda: extract(2))()) != first
    assert code(lambda: flow_of(lambda: [extract(1)])()) != first


def test_a_value_without_a_form_is_named_and_version_is_the_way_out(tmp_path):
    with (tmp_path / "open.txt").open("w") as handle:

        @task
        def write(row):
            handle.write(row)

        with pytest.raises(errors.GraphError) as refused:
            code(lambda: write("x"), name="sales")
        assert "flow 'sales': 'write' → 'handle' holds a TextIOWrapper" in str(refused.value)
        assert 'version="1"' in str(refused.value)
        first = code(lambda: write("x"), version="1")
        assert code(lambda: write("y"), version="1") == first
        assert code(lambda: write("x"), version="2") != first


def test_locks_and_loggers_are_no_reason_to_refuse():
    lock = threading.Lock()

    @task
    def careful():
        with lock:
            return 1

    assert code(lambda: careful()) == code(lambda: careful())


CANARIES = ["canary-docstring", "canary-default", "canary-closure", "canary-body", "canary-global", "canary-constant", "canary-case",
            "canary-environment", "canary-class", "canary-comment", "canary-key", "canary-target"]  # fmt: skip
GLOBAL = "canary-global"


def test_nothing_of_the_code_is_sent(monkeypatch):
    monkeypatch.setenv("SECRET", "canary-environment")
    hidden = "canary-closure"

    @task(
        cache_key=lambda row, default: "canary-key", cache=timedelta(hours=1), target="/canary-target/{row}"
    )
    def secretive(row, default="canary-default"):
        """canary-docstring"""
        return hidden, "canary-body", GLOBAL, os.environ["SECRET"]  # canary-comment

    @resource
    class Held:
        """canary-class"""

        def __init__(self, key="canary-class"):
            self.key = key

        def setup(self):
            return "canary-body"

        def cleanup(self, value): ...

    @flow
    def body():
        """canary-docstring"""
        first = secretive("canary-constant")
        with case(first, "canary-case"), Held("canary-key"):
            secretive.map(["canary-constant"], default=unmapped(first))
        return {"canary-body": first}

    sent = msgspec.json.encode(body.describe(project="p")).decode()
    assert "secretive" in sent
    assert [each for each in CANARIES if each in sent] == []


MODULE = '''
import logging
import re
import enum
import dataclasses
import functools

from headrace import flow, task
import {beside}

logger = logging.getLogger(__name__)
WORDS = {{"a", "b", "c", "d", "e"}}
PATTERN = re.compile("x+", re.I)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


COLOURS = frozenset({{Colour.RED, Colour.BLUE}})
HANDLERS = {{}}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A docstring."""

    name: str
    kinds: frozenset

    def applies(self, row):
        return row in WORDS


RULES = {{Rule("one", COLOURS), Rule("two", frozenset())}}


def handler(row):
    return HANDLERS.get(row), even(row)


def even(row):
    return row == 0 or odd(row - 1)


def odd(row):
    return row != 0 and even(row - 1)


HANDLERS["h"] = handler
CALLS = {{handler, even, odd, max, str.upper}}


@functools.lru_cache
def cached(row):
    return row


@task
def clean(row, rules=RULES, *, size={size}):
    {comment}
    logger.info("cleaning")
    return [rule for rule in rules if rule.applies(row)], PATTERN, CALLS, cached(row), {beside}.price(row), handler(row)


def closing(over):
    @task
    def closed(row):
        return over, row
    return closed


late = closing({{"z", "y", "x", 3.5, None, (1, 2)}})


@flow
def body():
    return late.map([clean(1), (lambda x: x)(2)])


print(body.describe(project="p").code_sha256)
'''
BESIDE = """
import json
RATE = {rate}
UNREAD = {unread}

def price(row):
    return json.dumps(row), tax(row)

def tax(row):
    return row * RATE
"""


def digest_of(
    folder, *, seed="0", size="3", comment="", rate="2", unread="1", beside="pricing", arguments=()
):
    folder.mkdir(exist_ok=True)
    (folder / "my_flow.py").write_text(MODULE.format(size=size, comment=comment, beside=beside))
    (folder / f"{beside}.py").write_text(BESIDE.format(rate=rate, unread=unread))
    run = subprocess.run(
        [sys.executable, *(arguments or ["my_flow.py"])],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip()


def test_the_code_digest_is_the_same_in_every_process_place_and_layout(tmp_path):
    first = digest_of(tmp_path / "a")
    assert len(first) == 64
    same = {
        "another hash seed": digest_of(tmp_path / "a", seed="1"),
        "a third": digest_of(tmp_path / "a", seed="4711"),
        "another folder": digest_of(tmp_path / "elsewhere", seed="2"),
        "imported, not run": digest_of(tmp_path / "a", arguments=["-c", "import my_flow"]),
        "a comment and a docstring": digest_of(tmp_path / "a", comment='"""Cleans."""  # rows'),
        "a global that nobody reads": digest_of(tmp_path / "a", unread="2"),
    }
    assert {why for why, digest in same.items() if digest != first} == set()
    changed = {
        "a default": digest_of(tmp_path / "a", size="4"),
        "a statement": digest_of(tmp_path / "a", comment="row += 1"),
        "a global that a function of another module reads": digest_of(tmp_path / "a", rate="3"),
    }
    assert {why for why, digest in changed.items() if digest == first} == set()


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("def f(x): return x+1", "def f( x ):\n    # a comment\n    return x + 1", True),
        ("def f(x): return x+1", 'def f(x):\n    "docs"\n    return (x + 1)', True),
        ("def f(x): return x+1", "def f(x): return x+2", False),
        ("def f(x): return x+1", "def f(y): return y+1", False),
        ("import json\ndef f(x): return json.dumps(x)", "import json as j\ndef f(x): return j.dumps(x)", False),
        ("K = 1\ndef f(x): return K", "K = 2\ndef f(x): return K", False),
        ("K = 1\ndef f(x): return x.K", "K = 2\ndef f(x): return x.K", True),
        ("def g(x): return 1\ndef f(x): return g(x)", "def g(x): return 2\ndef f(x): return g(x)", False),
        ("def g(x): return 1\ndef f(x): return 0", "def g(x): return 2\ndef f(x): return 0", True),
        ("f = lambda x: x + 1", "f = lambda x: x+1  # one more", True),
        ("f = lambda x: x + 1", "f = lambda x: x + 2", False),
        ("f, g = (lambda x: 1), (lambda x: 2)", "f, g = (lambda x: 3), (lambda x: 2)", False),
        ("f, g = (lambda x: 1), (lambda x: 2)", "f, g = (lambda x: 1), (lambda x: 3)", True),
        ("import functools\n@functools.cache\ndef f(x): return 1", "import functools\n@functools.cache\ndef f(x): return 2", False),
        ("class C:\n  A = 1\n  def m(self): return 1\ndef f(x): return C", "class C:\n  A = 2\n  def m(self): return 1\ndef f(x): return C", False),
        ("K = 1\nclass C:\n  def m(self): return K\ndef f(x): return C", "K = 2\nclass C:\n  def m(self): return K\ndef f(x): return C", False),
        ("import functools\ndef g(x, y): return 1\nh = functools.partial(g, 1)\ndef f(x): return h(x)",
         "import functools\ndef g(x, y): return 1\nh = functools.partial(g, 2)\ndef f(x): return h(x)", False),
        ("from headrace import task\n@task\ndef g(x): return 1\ndef f(x): return g(x)",
         "from headrace import task\n@task\ndef g(x): return 2\ndef f(x): return g(x)", False),
        ("async def f(x): return 1", "async def f(x): return 2", False),
        ("def f(x):\n  def inner(): return K\n  return inner\nK = 1", "def f(x):\n  def inner(): return K\n  return inner\nK = 2", False),
    ],
)  # fmt: skip
def test_what_changes_the_digest_of_a_function(before, after, same, tmp_path):
    def digest(text, name):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        space = {"__name__": "my_module"}
        exec(compile(path.read_text(), str(path), "exec"), space)
        return code(lambda: task(space["f"], name="f")(1))

    assert (digest(before, "before") == digest(after, "after")) is same


def test_code_without_source_has_a_digest_too():
    def digest(text):
        space = {"__name__": "typed"}
        exec(text, space)
        return code(lambda: task(space["f"], name="f")(1))

    first = digest("K = 1\ndef f(x): return K + 1")
    assert digest("K = 1\ndef f(x): return K + 1") == first
    assert digest("K = 2\ndef f(x): return K + 1") != first
    assert digest("K = 1\ndef f(x): return K + 2") != first


def test_an_installed_package_counts_by_name_and_version():
    from headrace.graph import canonical

    forms = canonical.Forms()
    assert forms.of(msgspec) == ["package", f"msgspec=={msgspec.__version__}", "msgspec:"]
    assert forms.of(pytest.fixture)[1] == f"pytest=={pytest.__version__}"
    assert forms.of(textwrap.dedent) == ["python", "textwrap", "dedent"]
    assert forms.of(Flow) == ["headrace", "headrace.flows", "Flow"]
