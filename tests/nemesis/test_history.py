"""The history checker: it accepts what can be true, and finds each kind of lie."""

import dataclasses

from nemesis import history


@dataclasses.dataclass(frozen=True)
class Event:
    seq: int
    state_type: str
    state_name: str
    kind: str = "move"


EVENTS = {
    "r": [
        Event(0, "Scheduled", "Scheduled"),
        Event(1, "Submitted", "Submitted"),
        Event(2, "Running", "Running"),
        Event(3, "Success", "Success"),
    ]
}


def seen(version: int, asked: float, told: float, name: str = "") -> history.Seen:
    event = EVENTS["r"][version] if version < 4 else Event(version, "Success", "Success")
    return history.Seen("r", "read", asked, told, version, event.state_type, name or event.state_name)


def found(*all_seen: history.Seen, grants: set[history.Grant] | None = None) -> list[str]:
    made = history.History()
    made.seen = list(all_seen)
    made.grants = grants or set()
    return list(history.violations(made, EVENTS))


def test_answers_in_the_order_of_time_are_believed() -> None:
    assert found(seen(0, 0, 1), seen(1, 2, 3), seen(1, 4, 5), seen(3, 6, 7)) == []


def test_requests_at_the_same_time_may_be_answered_in_any_order() -> None:
    assert found(seen(3, 0, 5), seen(1, 1, 6), seen(2, 4, 4.5)) == []


def test_an_answer_older_than_one_that_had_arrived_before_is_found() -> None:
    (sentence,) = found(seen(3, 0, 1), seen(2, 1.5, 2), seen(1, 0.5, 9))
    assert "told version 2" in sentence
    assert "0.500 s after" in sentence


def test_an_older_answer_is_found_behind_many_newer_ones() -> None:
    (sentence,) = found(seen(0, 0, 1), seen(2, 2, 3), seen(3, 3, 20), seen(2, 4, 5), seen(0, 10, 11))
    assert "told version 0" in sentence
    assert "told 2" in sentence


def test_an_acknowledged_version_that_is_gone_is_found() -> None:
    (sentence,) = found(seen(4, 0, 1))
    assert "version 4" in sentence
    assert "not in the history" in sentence


def test_another_state_than_the_history_has_is_found() -> None:
    (sentence,) = found(seen(1, 0, 1, "PullingImage"))
    assert "PullingImage" in sentence


def test_what_somebody_said_too_late_changes_no_state() -> None:
    events = {"r": [*EVENTS["r"], Event(4, "Failed", "Failed", kind="note")]}
    for name, expected in (("Success", 0), ("Failed", 1)):
        made = history.History()
        made.add(dataclasses.replace(seen(3, 0, 1), version=4, type=name, name=name))
        assert len(list(history.violations(made, events))) == expected


def test_a_run_nobody_has_written_down_is_found() -> None:
    made = history.History()
    made.add(dataclasses.replace(seen(0, 0, 1), run="other"))
    (sentence,) = history.violations(made, EVENTS)
    assert sentence.startswith("other: ")


def test_one_attempt_for_two_claims_is_found_and_one_answer_told_twice_is_not() -> None:
    first = history.Grant("r", 1, "agent0", "a")
    assert found(grants={first, history.Grant("r", 2, "agent1", "b")}) == []
    for other in (history.Grant("r", 1, "agent1", "a"), history.Grant("r", 1, "agent0", "b")):
        (sentence,) = found(grants={first, other})
        assert "granted twice" in sentence
