"""The store of results: whole files, only for their owner, and errors that say what to do."""

import os
import stat
import threading
import time
import tracemalloc
from concurrent import futures
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
    assert results.folder("run", 1) != results.folder("run", 2)
    assert [results.name("a", -1), results.name("a", 3)] == ["a.result", "a/3.result"]


def test_small_values_lie_together_in_one_file_and_large_ones_apart(store: results.ResultStore) -> None:
    folder = results.folder("run", 1)
    small = [store.keep(number, folder, f"{number}.result") for number in range(100)]
    large = (
        store.keep(b"x" * results.SMALL, folder, "large.result", "bytes"),
        store.keep(b"x" * (results.SMALL + 1), folder, "larger.result", "bytes"),
    )
    assert [store.read(each) for each in small] == list(range(100))
    assert len({each.location for each in (*small, large[0])}) == 1
    assert stat.S_IMODE(Path(small[0].location).stat().st_mode) == 0o600
    assert large[1].location.endswith("larger.result")
    assert all(store.holds(each) for each in (*small, *large))


def test_a_value_that_was_only_half_written_is_no_value(store: results.ResultStore) -> None:
    first, last = (store.keep(text, "runs/r/1", "x", "text") for text in ("whole", "half"))
    pack = Path(first.location)
    data = bytearray(pack.read_bytes())
    data[-4:] = bytes(4)
    pack.write_bytes(data)
    assert store.read(first) == "whole"
    with pytest.raises(errors.ResultError, match="not whole"):
        store.read(last)
    pack.write_bytes(data[:-1])
    assert not store.holds(last)
    with pytest.raises(errors.ResultError, match="not whole"):
        store.read(last)


def test_a_full_disk_does_not_shift_what_is_written_after_it(
    store: results.ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.keep(1, "runs/r/1", "x")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: write(file, data[:3]))
        with pytest.raises(errors.ResultError, match="cannot be written"):
            store.keep(2, "runs/r/1", "x")
    later = store.keep(3, "runs/r/1", "x")
    assert [store.read(first), store.read(later)] == [1, 3]


def test_many_threads_and_processes_keep_in_one_folder(store: results.ResultStore) -> None:
    with futures.ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda number: store.keep(number, "runs/r/1", "x"), range(400)))
    assert [store.read(each) for each in kept] == list(range(400))


def test_a_huge_value_is_not_copied_before_it_is_refused(store: results.ResultStore) -> None:
    value = [bytes(1024 * 1024) for _ in range(64)]
    tracemalloc.start()
    with pytest.raises(errors.ResultError, match="a list of more than 1 MB is kept only where you say so"):
        store.keep(value, "runs/r/1", "x", largest=1024 * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024
    with pytest.raises(errors.ResultError, match="more than 1 MB"):
        store.keep("x" * 2**21, "runs/r/1", "x", "text", largest=1024 * 1024)


def test_old_results_are_forgotten_once_a_day(store: results.ResultStore) -> None:
    old, new = store.keep(1, "runs/old/1", "x"), store.keep(2, "runs/new/1", "x")
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(store.directory / "runs/old", (long_ago, long_ago))
    assert results.forget(store.directory, timedelta(days=4)) == 0
    assert results.forget(store.directory, timedelta(days=2)) == 0, "it has looked already"
    os.utime(store.directory / "runs/.looked", (long_ago, long_ago))
    assert results.forget(store.directory, timedelta(days=2)) == 1
    assert [store.holds(old), store.holds(new)] == [False, True]
    assert results.forget(store.directory / "none", timedelta(days=2)) == 0
