"""R5, F72: what every storage must do, each with a real server behind it."""

import hashlib
import itertools
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import storage_rigs
from headrace import errors
from headrace.engine import content as contents
from headrace.storage import kinds
from headrace.wire import storage as wire_storage
from receivers import Receiver, drip, hang_up
from stack import free_port


@pytest.fixture(scope="module", params=storage_rigs.KINDS)
def rig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[storage_rigs.Rig]:
    with storage_rigs.rig(request.param, tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(autouse=True)
def surroundings(rig: storage_rigs.Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rig.environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(rig, storage_rigs.ExtensionRig):
        monkeypatch.syspath_prepend(str(rig.packages))


numbers = itertools.count()


class Saved:
    """Content and what it was saved as."""

    def __init__(self, rig: storage_rigs.Rig) -> None:
        # to some storages it is new only with a content of its own
        rig.publish(f"flow = {next(numbers)}\n")
        self.keeper = rig.keeper()
        self.content = rig.content(self.keeper)
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self.reference: Any = self.save()

    def save(self) -> Any:
        return self.keeper.save(self.content, self.sha256, project="p", flow="daily")

    def check(self) -> None:
        """What a run process does before it loads anything."""
        contents.check(kinds.load(self.reference), self.sha256)


@pytest.fixture
def saved(rig: storage_rigs.Rig) -> Saved:
    return Saved(rig)


def test_what_is_saved_is_loaded_by_its_reference_alone(saved: Saved) -> None:
    assert kinds.load(saved.reference) == saved.content
    saved.check()


def test_saving_again_changes_nothing(saved: Saved) -> None:
    assert saved.save() == saved.reference
    assert kinds.load(saved.reference) == saved.content


def test_withdrawing_what_was_there_before_leaves_it(saved: Saved) -> None:
    saved.save()
    saved.keeper.withdraw()
    assert kinds.load(saved.reference) == saved.content


def test_a_reference_holds_no_content_and_no_credential(saved: Saved, rig: storage_rigs.Rig) -> None:
    shown = repr(saved.reference)
    assert saved.content.decode(errors="replace") not in shown
    for secret in rig.secrets:
        assert secret not in shown
        assert secret not in repr(vars(saved.keeper))


def test_the_variables_that_a_reference_needs_are_known_by_name(saved: Saved, rig: storage_rigs.Rig) -> None:
    assert set(rig.environment) - {"PYTHONPATH"} <= set(wire_storage.variables(saved.reference))


def test_content_that_is_gone_is_called_missing(saved: Saved, rig: storage_rigs.Rig) -> None:
    rig.remove(saved.reference)
    with pytest.raises(errors.ContentError) as told:
        saved.check()
    if not isinstance(rig, storage_rigs.ExtensionRig):
        assert type(told.value) is errors.ContentMissing
        assert re.search("register the flow again", told.value.message)


DAMAGES: dict[str, storage_rigs.Damage] = {
    "one flipped bit": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "truncated": lambda data: data[:-2],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_other_bytes_are_never_taken_for_the_content(saved: Saved, rig: storage_rigs.Rig, how: str) -> None:
    rig.damage(saved.reference, DAMAGES[how])
    with pytest.raises(errors.ContentMismatch):
        saved.check()


def _told(rig: storage_rigs.Rig, reference: Any) -> errors.ContentError:
    with pytest.raises(errors.ContentError) as told:
        kinds.load(reference)
    for secret in rig.secrets:
        assert secret not in told.value.message
    assert "Traceback" not in told.value.message
    return told.value


on_servers = pytest.mark.parametrize("rig", storage_rigs.ON_SERVERS, indirect=True, scope="module")


@pytest.fixture
def impatient(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """From when it is saved on."""
    monkeypatch.setenv("HEADRACE_STORAGE_SECONDS", "2")
    return saved


@on_servers
def test_a_server_that_is_away_is_called_unreachable(saved: Saved, rig: storage_rigs.Rig) -> None:
    assert type(_told(rig, rig.at(saved.reference, free_port()))) is errors.StorageUnreachable


@on_servers
@pytest.mark.usefixtures("impatient")
def test_a_server_that_says_nothing_is_not_waited_for(saved: Saved, rig: storage_rigs.Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = _told(rig, rig.at(saved.reference, silent.getsockname()[1]))
    assert type(told) is errors.StorageUnreachable


@on_servers
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["a byte now and then", "hangs up"])
def test_a_server_that_gets_nowhere_is_called_unreachable(
    saved: Saved, rig: storage_rigs.Rig, how: str
) -> None:
    bad = Receiver()
    bad.usual = hang_up if how == "hangs up" else drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    try:
        assert type(_told(rig, rig.at(saved.reference, bad.port))) is errors.StorageUnreachable
    finally:
        bad.close()


@on_servers
def test_a_credential_that_is_not_accepted_is_called_that(
    saved: Saved, rig: storage_rigs.Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rig.refused().items():
        monkeypatch.setenv(name, value)
    assert type(_told(rig, saved.reference)) is errors.StorageRefused


@on_servers
def test_a_credential_that_is_not_there_is_named(
    saved: Saved, rig: storage_rigs.Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(rig.environment))
    monkeypatch.delenv(name)
    told = _told(rig, saved.reference)
    assert type(told) is errors.StorageRefused
    assert name in told.message
