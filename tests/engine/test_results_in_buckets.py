"""R5: results, targets and caches in a bucket, as in a directory."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import object_server
from headrace import ProcessExecutor, errors
from headrace.engine import results
from headrace.flows import flow
from headrace.graph.task import task
from headrace.storage.objects import ObjectStore


@pytest.fixture(scope="module")
def server() -> Iterator[object_server.Server]:
    with object_server.serving() as made:
        yield made


@pytest.fixture
def where(
    server: object_server.Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://results/{request.node.name.replace('[', '-').replace(']', '')}"


@pytest.fixture
def store(where: str) -> results.ResultStore:
    return results.store(where)


def test_what_is_written_is_read(store: results.ResultStore, where: str) -> None:
    kept = store.write({"a": 1}, "runs/1/a.result")
    assert kept.location == f"{where}/runs/1/a.result"
    assert store.read(kept) == {"a": 1}
    assert store.holds(kept)
    small = store.keep([1, 2], "runs/1", "b.result")
    assert store.read(small) == [1, 2]
    assert small.size > 0


def test_an_object_store_brings_its_own_credentials(
    server: object_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESULTS_KEY", server.key)
    monkeypatch.setenv("RESULTS_SECRET", server.secret)
    own = ObjectStore(
        "s3://results/own",
        endpoint=server.url,
        region="eu-central-1",
        variables={"access_key_id": "RESULTS_KEY", "secret_access_key": "RESULTS_SECRET"},
    )
    store = results.store(own)
    assert store.read(store.write(1, "a")) == 1


def test_a_cached_value_is_found_again_and_grows_old(store: results.ResultStore) -> None:
    assert store.cached("key", None) is None
    store.cache(7, "key")
    found = store.cached("key", None)
    assert found is not None
    assert store.read(found) == 7
    assert store.cached("key", timedelta(0)) is None


def test_a_target_may_lie_in_a_bucket_or_in_a_file(
    store: results.ResultStore, where: str, tmp_path: Path
) -> None:
    elsewhere = results.ResultStore(tmp_path / "results")
    assert elsewhere.at(f"{where}/target.json", "json") is None
    elsewhere.write([1], f"{where}/target.json", "json")
    found = elsewhere.at(f"{where}/target.json", "json")
    assert found is not None
    assert elsewhere.read(found) == [1]
    assert store.at("target.json", "json") == found
    assert store.write(1, str(tmp_path / "file")).location == str(tmp_path / "file")


def test_a_result_that_is_gone_or_cut_is_an_error_that_says_where(store: results.ResultStore) -> None:
    kept = store.write("a long enough value", "a")
    store.write(1, "a")
    with pytest.raises(errors.ResultError, match="is not whole"):
        store.read(kept)
    assert not store.holds(kept)
    missing = store.write(1, "b")
    with pytest.raises(errors.ResultError, match=r"c cannot be read: .* is not there"):
        store.read(type(missing)(location=missing.location[:-1] + "c"))


def test_a_bucket_that_refuses_is_an_error_of_the_result(
    store: results.ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(
        errors.ResultError, match=r"cannot be written to s3://.* does not accept the credential"
    ):
        store.write(1, "a")


@task(cache=timedelta(hours=1))
def doubled(number: int, folder: str) -> int:
    Path(folder, f"ran-{number}").touch()
    return number * 2


@task(target="{folder_name}/sum.json", serializer="json")
def total(numbers: list[int], folder_name: str) -> int:
    return sum(numbers)


def test_a_flow_keeps_and_finds_its_values_there_also_from_processes(
    where: str, store: results.ResultStore, tmp_path: Path
) -> None:
    @flow(results=where, executor=ProcessExecutor(workers=2))
    def sums(folder: str, name: str) -> Any:
        return total([doubled(2, folder), doubled(3, folder)], name)

    assert sums(folder=str(tmp_path), name=where) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ran-2", "ran-3"]
    for path in tmp_path.iterdir():
        path.unlink()
    again = sums.run(folder=str(tmp_path), name=where)
    assert again.result == 10
    assert list(tmp_path.iterdir()) == []
    found = store.at("sum.json", "json")
    assert found is not None
    assert store.read(found) == 10


def test_another_scheme_is_refused_where_it_is_written() -> None:
    with pytest.raises(errors.GraphError, match="give a directory or a bucket's URL"):
        flow(name="f", results="ftp://host/results")
