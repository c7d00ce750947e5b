"""Object stores: what Google and Azure are sent, and what options mean. S3 itself is in tests/contracts/storages."""

from collections.abc import Iterator
from typing import Any

import pytest

from headrace import errors
from headrace.storage import buckets, kinds
from headrace.storage.objects import ObjectStore
from headrace.wire import storage as wire_storage
from receivers import Receiver, say

SHA256 = "f" * 64
THERE = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 01:00:00 GMT"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.usual = say(200, b"content", **THERE)
    yield made
    made.close()


def test_google_is_sent_what_it_understands(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWS_TOKEN", "google-token")
    keeper = ObjectStore(
        "gs://flows/content", base_url=receiver.url, variables={"bearer_token": "FLOWS_TOKEN"}
    )
    reference = keeper.save(b"content", SHA256, project="p", flow="f")
    assert kinds.load(reference) == b"content"
    assert [request.method for request in receiver.requests] == ["HEAD", "PUT", "GET"]
    assert {request.path for request in receiver.requests} == {f"/flows/content%2F{SHA256}"}
    assert {request.headers["authorization"] for request in receiver.requests} == {"Bearer google-token"}
    assert receiver.requests[1].body == b"content"
    assert "google-token" not in repr(reference)


def test_azure_is_sent_what_it_understands(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    keeper = ObjectStore("az://flows/content", account_name="acme", endpoint=receiver.url)
    reference = keeper.save(b"content", SHA256, project="p", flow="f")
    assert kinds.load(reference) == b"content"
    assert [request.method for request in receiver.requests] == ["HEAD", "PUT", "GET"]
    assert {request.path for request in receiver.requests} == {f"/flows/content/{SHA256}"}
    for request in receiver.requests:
        assert request.headers["authorization"].startswith("SharedKey acme:")
        assert request.headers["x-ms-version"]
    assert receiver.requests[1].headers["x-ms-blob-type"] == "BlockBlob"
    assert "AZURE_STORAGE_ACCOUNT_KEY" in wire_storage.variables(reference)


@pytest.mark.parametrize("scheme", ["gs", "az"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, errors.StorageRefused), (404, errors.ContentMissing), (500, errors.StorageUnreachable)],
)
def test_their_errors_are_words(
    scheme: str,
    status: int,
    kind: type[errors.ContentError],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADRACE_STORAGE_SECONDS", "1")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "google-token")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    options = {"gs": {"base_url": receiver.url}, "az": {"account_name": "acme", "endpoint": receiver.url}}
    receiver.usual = say(status)
    with pytest.raises(kind, match=f"{scheme}://flows/x"):
        kinds.load(wire_storage.ObjectStorage(url=f"{scheme}://flows/x", options=options[scheme]))


def test_credentials_that_have_changed_are_the_ones_that_count(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = wire_storage.ObjectStorage(url="gs://flows/x", options={"base_url": receiver.url})
    for token in ("first", "second"):
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", token)
        kinds.load(reference)
    assert [request.headers["authorization"] for request in receiver.requests] == [
        "Bearer first",
        "Bearer second",
    ]


def test_only_what_the_last_save_has_added_is_withdrawn(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "t")
    keeper = ObjectStore("gs://flows", base_url=receiver.url)
    keeper.save(b"content", SHA256, project="p", flow="f")
    keeper.withdraw()
    assert "DELETE" not in [request.method for request in receiver.requests]
    receiver.answers = [say(404), say(200, b"", **THERE)]
    keeper.save(b"content", SHA256, project="p", flow="f")
    keeper.withdraw()
    assert receiver.requests[-1].method == "DELETE"
    assert receiver.requests[-1].path == f"/flows/{SHA256}"


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("ftp://flows/x", {}, "no bucket's URL"),
        ("s3://", {}, "without user, password or port"),
        ("s3://key:s3cret@flows/x", {}, "without user, password or port"),
        ("s3://flows/../x", {}, "nothing behind it"),
        ("s3://flows/x?versionId=1", {}, "nothing behind it"),
        ("s3://flows", {"regoin": "eu"}, "did you mean 'region'"),
        ("s3://flows", {"secret_access_key": "s3cret"}, "is a secret"),
        ("s3://flows", {"endpoint": "https://key:s3cret@host"}, "a URL with a user in it"),
        ("s3://flows", {"variables": {"secret_access_key": "s3cret"}}, "the name of an environment variable"),
        ("gs://flows", {"variables": {"access_key_id": "KEY"}}, "and not 'access_key_id'"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_the_secret(
    url: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.Invalid, match=words) as told:
        ObjectStore(url, **options)
    assert "s3cret" not in told.value.message


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets._connect.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(errors.StorageUnreachable, match=r"pip install 'headrace\[objects\]'"):
        kinds.load(wire_storage.ObjectStorage(url="s3://flows/x"))
