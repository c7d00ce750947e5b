"""F62: the heartbeat says for how long the run has been running, and the server ends a run that nobody else ends."""

import contextlib
import threading
import time

from lifecycles import Life

from headrace.client import Client
from headrace.core import leases
from headrace.core.states import StateType
from headrace.engine import heartbeat
from headrace.wire import runs
from http_client import Http

MINUTES = 60.0
TIMEOUT = 300.0


def answered(http: Http, held: runs.Assignment, ran: float) -> runs.RunAnswer | None:
    """What a supervisor whose run began so long ago hears to its first heartbeat."""
    came = threading.Event()
    with contextlib.closing(Client(http.url, held.token)) as api:
        request = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
        sender = heartbeat.Heartbeat(api, request, leases.Timing(), poke=came.set)
        sender.start(time.monotonic() - ran)
        assert came.wait(30)
        sender.stop()
        (beat,) = sender.taken()
        return beat.answer


def test_F62_a_run_that_goes_on_long_after_its_time_out_is_ended_by_the_server(http: Http) -> None:
    life = Life(http.server, timeout_seconds=TIMEOUT)
    held = life.running()
    answer = answered(http, held, ran=TIMEOUT + 1)
    assert answer is not None
    assert answer.state.type is StateType.RUNNING, "its supervisor has a while to end it"
    answer = answered(http, held, ran=TIMEOUT + MINUTES)
    assert answer is not None
    assert answer.orders.superseded
    state = life.read(held.flow_run_id).state
    assert (state.type, state.name, state.code) == (StateType.FAILED, "TimedOut", "timed_out")
