"""A client is shared between threads, also where two of them are the first to be answered."""

import subprocess
import sys

#: An answer whose type takes long to understand: its annotation is text, evaluated when the first answer comes.
PROGRAM = """
import threading
from headrace import wire
from headrace.client import connection

entered, second = threading.Event(), threading.Event()

def integer():
    entered.set()
    second.wait(1)  # nobody gets here meanwhile, unless the other thread is let in too early
    return int

class Inner(wire.Answer, frozen=True):
    number: "integer()"

class Outer(wire.Answer, frozen=True):
    inner: Inner

answers = []

def read(is_second):
    if is_second:
        entered.wait()
    answers.append(connection._decoder(Outer).decode(b'{"inner": {"number": 1}}'))
    second.set()

threads = [threading.Thread(target=read, args=(is_second,)) for is_second in (False, True)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert [answer.inner.number for answer in answers] == [1, 1], answers
"""


def test_two_threads_may_get_the_first_answer_of_a_kind_at_once() -> None:
    """msgspec ends the whole process when a second thread uses a type that a first one has half understood."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
