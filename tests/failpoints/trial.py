"""One operation, its points, and what must be so when the server dies at one of them and the request is sent again."""

import contextlib
import dataclasses
import http.client
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec

from failpoints import impressions, points, recipes
from failpoints.impressions import Impression
from failpoints.places import Copy, Place
from failpoints.town import Ask
from headrace.settings import Settings
from headrace.wire.operations import Repeat

TESTS = Path(__file__).parent.parent
REQUEST_ID = "one request"
#: A mail follows their answer, in memory alone: it is asked for again when it was lost. Where it leaves its trace.
AFTERWARDS = {"request_reset": {"resets"}, "create_invitation": {"invitations"}, "sign_up": {"invitations"}}
#: Where something is missing of an operation of several transactions that died between them: a round of retention that
#: was cut off is not in the list of rounds.
UNTOLD = {"run_retention": {"retention_rounds"}}
#: They only look, or do what leaves no trace here but in the audit log.
QUIET = {
    *("read_invitation", "preview_schedule", "read_task_results", "preview_rerun", "plan_backfill"),
    "test_notification",
}


@dataclasses.dataclass(frozen=True)
class Reply:
    """`status` 0: there was none, the server was gone."""

    status: int
    text: str = ""


class Nursery:
    """The process that servers are forked from."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "failpoints.nursery"],
            cwd=TESTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


@dataclasses.dataclass
class Done:
    """What an uncrashed server has made of a request that came so often."""

    replies: list[Reply]
    points: list[str]
    left: Impression


class Trial:
    """An operation in a place. `restarts` are the seconds that servers took to be ready after a crash.

    With a bug planted in the servers that crash and follow, there must be something wrong.
    """

    def __init__(self, place: Place, nursery: Nursery, operation: str, plant: str = "") -> None:
        self.place = place
        self.operation = operation
        self.ask: Ask = recipes.ask(place.town, operation)
        self._nursery = nursery
        self._plant = ""
        self.restarts: list[float] = []
        self.once = self._done(1)
        self.twice = self._done(2)
        self._plant = plant

    @property
    def points(self) -> list[str]:
        return self.once.points

    def check_controls(self) -> list[str]:
        """Before anything crashes: it works, changes something if it may, and a repeated request id has one effect (I12)."""
        (first,), (_, second) = self.once.replies, self.twice.replies
        said: list[str] = []
        if first.status != 200:
            said.append(f"refused: {first}")
        changes = impressions.differences(self.once.left, self.place.before, ("requests", "audit"))
        if bool(changes) == (self.operation in QUIET):
            said.append(f"changes what it should not, or nothing: {changes}")
        if self.ask.operation.repeat is not Repeat.NATURAL:
            said += [f"twice: {one}" for one in impressions.differences(self.twice.left, self.once.left)]
            if self.ask.operation.repeat is Repeat.REFUSE:
                if second.status != 409:
                    said.append(f"twice: the secret's repetition is not refused: {second}")
            elif second != first:
                said.append(f"twice: another answer: {second} and not {first}")
        return [f"{self.operation}, {one}" for one in said]

    def crash(self, number: int) -> list[str]:
        """The server dies at this point, is started again, and gets the same request again: what is wrong then."""
        name = self.points[number]
        said: list[str] = []
        with self.place.copy() as copy:
            server = self._start(copy, at=number, name=name)
            reply = self._send(server["port"])
            # one that has answered lives
            code = self._nursery.order(do="stop" if reply.status else "wait", pid=server["pid"])["code"]
            if code != points.KILLED or reply.status:
                return [f"{self._at(number)}: the server did not die there: {code}, {reply}"]
            said += self._half_done(copy, number)
            server = self._start(copy)
            self.restarts.append(server["seconds"])
            again = self._send(server["port"])
            self._nursery.order(do="stop", pid=server["pid"])
            said += self._whole(copy, number, again)
        return [f"{self._at(number)}: {one}" for one in said]

    def _at(self, number: int) -> str:
        return (
            f"{self.operation} at {number} ({self.points[number]}) of {len(self.points)} on {self.place.kind}"
        )

    def _half_done(self, copy: Copy, number: int) -> list[str]:
        """A crash leaves all of a transaction or nothing of it."""
        if "COMMIT" not in self.points[:number]:
            return [f"half done: {one}" for one in impressions.differences(copy.look(), self.place.before)]
        if "COMMIT" not in self.points[number:]:
            lost = impressions.differences(copy.look(), self.once.left, AFTERWARDS.get(self.operation, ()))
            return [f"lost: {one}" for one in lost]
        return []

    def _whole(self, copy: Copy, number: int, again: Reply) -> list[str]:
        """Before the first COMMIT nothing had happened, so that it is as if it had come once; after the last, as if twice."""
        left, said = copy.examine()
        (first,), (_, second) = self.once.replies, self.twice.replies
        if "COMMIT" not in self.points[:number]:
            said += impressions.differences(left, self.once.left)
            expected = [first]
        elif "COMMIT" not in self.points[number:]:
            said += impressions.differences(left, self.twice.left, AFTERWARDS.get(self.operation, ()))
            expected = [second]
        else:
            untold = UNTOLD.get(self.operation, ())
            ends = (self.once.left, self.twice.left)
            said += min((impressions.differences(left, end, untold) for end in ends), key=len)
            expected = [first, second]
        if again not in expected:
            said.append(f"answered {again} and not {expected}")
        return said

    # --- servers ---

    def _done(self, times: int) -> Done:
        with self.place.copy() as copy:
            trace = copy.folder / "points.json"
            server = self._start(copy, trace=str(trace))
            assert server["port"], "the server did not start: see its log"
            replies = [self._send(server["port"]) for _ in range(times)]
            code = self._nursery.order(do="stop", pid=server["pid"])["code"]
            assert code == 0, f"the server ended with {code}: see its log"
            left, ailments = copy.examine()
            assert not ailments, f"{self.operation} without a crash: {ailments}"
            return Done(replies, json.loads(trace.read_text()), left)

    def _start(self, copy: Copy, **more: Any) -> dict[str, Any]:
        settings = Settings(home=copy.folder, database_url=copy.url, **self.place.settings)
        values = msgspec.to_builtins(settings, enc_hook=str)
        moment = self.place.now.isoformat()
        return self._nursery.order(
            do="start", settings=values, now=moment, request_id=REQUEST_ID, plant=self._plant, **more
        )

    def _send(self, port: int) -> Reply:
        path, fields = self.ask.sent()
        body = None
        headers = {**self.ask.headers, "Idempotency-Key": REQUEST_ID, "Origin": f"http://127.0.0.1:{port}"}
        if self.ask.operation.method == "DELETE":
            query = {name: str(value) for name, value in fields.items()}
            path += f"?{urllib.parse.urlencode(query)}" if query else ""
        else:
            body, headers["Content-Type"] = json.dumps(fields), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            try:
                connection.request(self.ask.operation.method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (ConnectionError, http.client.HTTPException):
                return Reply(0)
        return Reply(answer.status, self.place.known.text(text))
