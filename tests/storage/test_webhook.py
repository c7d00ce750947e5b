"""S13, S21: what a webhook sends, to whom, and what it keeps to itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from headrace import errors
from headrace.storage import kinds
from headrace.storage.webhook import Webhook
from headrace.wire.storage import WebhookStorage
from receivers import Receiver, hang_up, say, say_raw

SECRET = "webhook-token-that-nobody-may-see"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("FILES_TOKEN", SECRET)
    made = Receiver()
    yield made
    made.close()


def reference(receiver: Receiver, **changes: Any) -> WebhookStorage:
    given = {"url": f"{receiver.url}/f?key=${{FILES_TOKEN}}", "headers": {"X-Token": "${FILES_TOKEN}"}}
    return WebhookStorage(**{**given, **changes})


def test_places_are_filled_in_on_registration_and_variables_where_the_request_is_made(
    receiver: Receiver,
) -> None:
    keeper = Webhook(
        f"{receiver.url}/{{project}}/{{flow}}/{{sha256}}?key=${{FILES_TOKEN}}",
        headers={"Authorization": "Bearer ${FILES_TOKEN}"},
    )
    made = keeper.save(b"content", "ab" * 32, project="a b", flow="../${HOME}")
    sent = receiver.requests[0]
    assert sent.method == "PUT"
    assert sent.path == f"/a%20b/..%2F%24%7BHOME%7D/{'ab' * 32}?key={SECRET}"
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert sent.body == b"content"
    assert made.url.endswith("?key=${FILES_TOKEN}")
    assert made.headers == {"Authorization": "Bearer ${FILES_TOKEN}"}
    receiver.usual = say(200, b"content")
    assert kinds.load(made) == b"content"
    assert receiver.requests[1].method == "GET"
    assert receiver.requests[1].path == sent.path


def test_another_request_may_keep_the_content(receiver: Receiver) -> None:
    keeper = Webhook(
        f"{receiver.url}/get/{{sha256}}",
        method="post",
        save_url=f"{receiver.url}/put",
        save_method="POST",
        save_headers={"X-Name": "flows"},
    )
    made = keeper.save(b"content", "c" * 64, project="p", flow="f")
    assert (receiver.requests[0].method, receiver.requests[0].path) == ("POST", "/put")
    assert receiver.requests[0].headers["x-name"] == "flows"
    assert made == WebhookStorage(url=f"{receiver.url}/get/{'c' * 64}", method="POST")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "ftp://host/{sha256}"}, "must begin with https"),
        ({"url": "/{sha256}"}, "must begin with https"),
        ({"url": "https://user:pw@host/{sha256}"}, "has a user in it"),
        ({"url": "https://${HOST}/{sha256}"}, "the host is not a secret"),
        ({"url": "https://host/content"}, "must hold {sha256}"),
        ({"url": "https://host/{sha256}/${HEADRACE_API_KEY}"}, "Headrace's own"),
        ({"url": "https://host/{sha256}/${not a name}"}, "in capitals"),
        ({"headers": {"Authorization": "Bearer s3cret"}}, "holds a secret"),
        ({"headers": {"X-Api-Key": "s3cret"}}, "holds a secret"),
        ({"headers": {"Bad Header": "x"}}, "is no header"),
        ({"headers": {"X": "a\r\nY: b"}}, "is no header"),
        ({"method": "DELETE"}, "give one of GET, POST, PUT"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_the_secret(options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.Invalid, match=words) as told:
        Webhook(**{"url": "https://host/{sha256}", **options})
    assert "s3cret" not in told.value.message
    assert "pw" not in told.value.message


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    other = Receiver()
    receiver.usual = say(302, Location=f"{other.url}/x")
    with pytest.raises(errors.ContentMissing, match="redirects are not followed"):
        kinds.load(reference(receiver))
    assert other.requests == []
    other.close()


def test_a_storage_that_is_back_in_a_moment_is_asked_again(receiver: Receiver) -> None:
    receiver.answers = [hang_up, say(503)]
    receiver.usual = say(200, b"content")
    assert kinds.load(reference(receiver)) == b"content"
    assert len(receiver.requests) == 3


def test_a_body_that_ends_early_is_not_taken_for_all(receiver: Receiver) -> None:
    receiver.usual = say_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    with pytest.raises(errors.StorageUnreachable, match="closed half-way"):
        kinds.load(reference(receiver))


@pytest.mark.parametrize(("status", "kind"), [(400, errors.ContentMissing), (401, errors.StorageRefused), (410, errors.ContentMissing), (500, errors.StorageUnreachable)])  # fmt: skip
def test_errors_say_where_and_never_with_what(
    receiver: Receiver, status: int, kind: type[errors.ContentError]
) -> None:
    receiver.usual = say(status, SECRET.encode())
    with pytest.raises(kind, match=f"{receiver.url}/f") as told:
        kinds.load(reference(receiver))
    assert SECRET not in told.value.message
    assert told.value.__cause__ is None


def test_content_that_never_ends_is_not_read_for_ever(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.storage.pace.LARGEST", 1000)
    receiver.usual = say(200, b"x" * 5000)
    with pytest.raises(errors.ContentMismatch, match="was not read further"):
        kinds.load(reference(receiver))


def test_a_token_from_a_file_may_end_its_line_and_is_one_line(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.usual = say(200, b"content")
    monkeypatch.setenv("FILES_TOKEN", f"{SECRET}\n")
    assert kinds.load(reference(receiver)) == b"content"
    assert receiver.requests[0].headers["x-token"] == SECRET
    monkeypatch.setenv("FILES_TOKEN", f"{SECRET}\r\nX-Other: 1")
    with pytest.raises(errors.StorageRefused, match="FILES_TOKEN holds is not one line") as told:
        kinds.load(reference(receiver))
    assert SECRET not in told.value.message
