import pytest

from headrace import errors
from headrace.core import labels


@pytest.mark.parametrize(
    ("run", "agent", "takes_unlabelled", "expected"),
    [
        (["gpu"], ["gpu", "linux"], False, True),
        (["gpu", "linux"], ["gpu", "linux"], False, True),
        (["gpu", "linux"], ["gpu"], True, False),
        (["gpu"], [], True, False),
        ([], ["gpu"], True, True),
        ([], ["gpu"], False, False),
        ([], [], False, False),
        (["GPU"], ["gpu"], True, False),
    ],
)
def test_an_agent_takes_a_run_when_it_has_all_its_labels(run, agent, takes_unlabelled, expected):
    assert labels.matches(run, agent, takes_unlabelled=takes_unlabelled) is expected


def test_missing_labels_are_named_in_order():
    assert labels.missing(["z", "a", "m"], ["m"]) == ("a", "z")


def test_normalised_labels_are_sorted_and_unique():
    assert labels.normalised(["b", "a", "b"]) == ("a", "b")


@pytest.mark.parametrize("label", ["", "a b", "a,b", "a\n", "a\u00a0b", "x" * 101, "a\x00", 3])
def test_a_wrong_label_is_named(label):
    with pytest.raises(errors.Invalid) as caught:
        labels.normalised(["fine", label])
    assert repr(label) in caught.value.message
    assert list(caught.value.fields) == ["labels"]


def test_the_longest_label_is_allowed():
    assert labels.normalised(["x" * 100]) == ("x" * 100,)


def test_a_string_is_no_list_of_labels():
    with pytest.raises(errors.Invalid, match=r"write \['gpu'\]"):
        labels.normalised("gpu")


PROCESS = ["local"]


@pytest.mark.parametrize(
    ("run", "agents", "code", "words"),
    [
        ([], [], "no_agent", "headrace agent"),
        ([], [labels.Offer("a", (), True, ["docker"])], "no_launcher", "docker"),
        ([], [labels.Offer("a", ("x",), False, PROCESS)], "unlabelled", "a"),
        (["gpu"], [labels.Offer("a", ("x",), True, PROCESS)], "labels_missing", "a, lacks the label gpu"),
        (
            ["gpu", "big", "fast"],
            [
                labels.Offer("far", ("gpu",), True, PROCESS),
                labels.Offer("near", ("gpu", "big"), True, PROCESS),
            ],
            "labels_missing",
            "near, lacks the label fast",
        ),
        (
            ["gpu", "big"],
            [
                labels.Offer("perfect", ("gpu", "big"), True, ["docker"]),
                labels.Offer("able", (), True, PROCESS),
            ],
            "labels_missing",
            "able, lacks the labels big, gpu",
        ),
    ],
)
def test_a_run_that_nobody_can_take_says_why(run, agents, code, words):
    reason = labels.explain(run, "local", agents)
    assert reason is not None
    assert reason.code == code
    assert words in reason.sentence


def test_a_run_that_somebody_can_take_has_no_reason():
    agents = [labels.Offer("a", ("x",), False, PROCESS), labels.Offer("b", ("gpu",), False, PROCESS)]
    assert labels.explain(["gpu"], "local", agents) is None
