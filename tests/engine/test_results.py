"""The store of results: whole files, only for their owner, and errors that say what to do."""

import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace import errors
from headrace.engine import results, serializers


@pytest.fixture
def store(tmp_path: Path) -> results.ResultStore:
    return results.ResultStore(tmp_path / "results")


@pytest.mark.parametrize(
    ("serializer", "value"),
    [("pickle", {"a": {1, 2}}), ("json", [1, "two", None]), ("text", "grüße"), ("bytes", b"\0\1"), (None, 4)],
)
def test_what_is_written_is_read(store: results.ResultStore, serializer: str | None, value: Any) -> None:
    result = store.write(value, "runs/1/a.result", serializer)
    assert store.read(result) == value
    assert (result.kind, result.serializer) == (type(value).__name__, serializer or "pickle")
    assert result.size == Path(result.location).stat().st_size


def test_only_the_owner_can_read_a_result_and_nothing_half_made_is_left(store: results.ResultStore) -> None:
    path = Path(store.write(1, "deep/er/a.result").location)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["a.result"]


def test_a_value_that_cannot_be_stored_names_the_serializer_and_leaves_the_old_one(
    store: results.ResultStore,
) -> None:
    before = store.write(1, "a")
    with pytest.raises(errors.ResultError, match="a object cannot be stored by the serializer 'json'"):
        store.write(object(), "a", "json")
    assert store.read(before) == 1


def test_an_unknown_serializer_suggests(store: results.ResultStore) -> None:
    with pytest.raises(errors.ResultError, match="did you mean 'pickle'"):
        store.write(1, "a", "pickel")


def test_a_result_that_is_gone_or_cut_is_an_error_that_says_where(store: results.ResultStore) -> None:
    result = store.write("a long enough value", "a")
    Path(result.location).write_bytes(b"short")
    with pytest.raises(errors.ResultError, match="has 5 bytes and not"):
        store.read(result)
    Path(result.location).unlink()
    with pytest.raises(errors.ResultError, match="No such file"):
        store.read(result)


class Upper:
    name = "upper"

    def dumps(self, value: Any) -> bytes:
        return value.upper().encode()

    def loads(self, data: bytes) -> Any:
        return data.decode()


def test_a_serializer_of_the_users_own_is_used_by_object_and_by_name(store: results.ResultStore) -> None:
    result = store.write("loud", "a", Upper())
    assert store.read(result, Upper()) == "LOUD"
    serializers.register(Upper())
    assert store.read(result) == "LOUD"


def test_a_cached_value_expires(store: results.ResultStore) -> None:
    assert store.cached("key", None) is None
    store.cache(5, "key")
    found = store.cached("key", timedelta(hours=1))
    assert found is not None
    assert store.read(found) == 5
    assert store.cached("key", timedelta(0)) is None


def test_many_writers_of_one_cache_key_never_show_a_broken_value(store: results.ResultStore) -> None:
    store.cache([0] * 1000, "key")
    done = threading.Event()

    def write(number: int) -> None:
        for _ in range(30):
            store.cache([number] * 1000, "key")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, 4)]
    for each in writers:
        each.start()
    closer = threading.Thread(target=lambda: ([each.join() for each in writers], done.set()))
    closer.start()
    reads = 0
    while not done.is_set() or not reads:
        found = store.cached("key", None)
        assert found is not None
        assert len(set(store.read(found))) == 1
        reads += 1
    closer.join()


def test_each_holder_of_a_run_has_a_folder_of_its_own() -> None:
    assert results.place("run", 1, "a", -1) != results.place("run", 2, "a", -1)
    assert results.place("run", 1, "a", 3) == "runs/run/1/a/3.result"
