"""Hints between servers: many in one message, none too long for it."""

import msgspec

from headrace.web import wakeups
from running import Portal


class Line:
    """Keeps what it was told."""

    lost = False

    def __init__(self, line: wakeups.Wakeups) -> None:
        self.messages: list[str] = []
        self._line = line

    async def tell(self, message: str) -> None:
        self.messages.append(message)
        self._line.heard(message, True)
        self.lost = len(self.messages) > 3


def sent(portal: Portal, hints: list[tuple[str, ...]]) -> list[list[list[str]]]:
    """The messages in which these hints go out, all given in one moment."""
    line = wakeups.Wakeups()
    line.listening = True
    for hint in hints:
        line.tell(*hint)
    told = Line(line)
    portal.run(line._send(told))  # type: ignore[arg-type]
    assert all(len(message.encode()) <= 7_999 for message in told.messages)
    return [msgspec.json.decode(message) for message in told.messages]


def test_hints_of_one_moment_are_one_message_and_each_is_told_once(portal: Portal) -> None:
    assert sent(portal, [("notice", "flows"), ("notice", "flow_runs"), ("notice", "flows")]) == [
        [["notice", "flows"], ["notice", "flow_runs"]]
    ]


def test_many_hints_are_several_messages_and_none_is_left_out(portal: Portal) -> None:
    hints = [("order", f"{number:036}") for number in range(1000)]
    messages = sent(portal, hints)
    assert len(messages) > 5
    assert [tuple(hint) for message in messages for hint in message] == hints


def test_a_hint_that_is_too_long_says_only_of_what_kind_it_is(portal: Portal) -> None:
    assert sent(portal, [("run", "é" * 9000), ("tag", "a")]) == [[["run"]], [["tag", "a"]]]


def test_nothing_is_collected_while_nobody_listens() -> None:
    line = wakeups.Wakeups()
    line.tell("notice", "flows")
    assert not line._pending


def test_what_something_else_says_on_the_channel_is_passed_over() -> None:
    line = wakeups.Wakeups()
    heard: list[tuple[str, ...]] = []
    line.hear("notice", lambda *words: heard.append(words))
    line.heard("hello there", False)
    line.heard('[["notice", "flows"], ["unknown", "x"]]', False)
    assert heard == [("flows",)]
