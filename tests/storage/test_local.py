"""Local storage: private files, and nothing but regular files is read."""

import os
from pathlib import Path

import pytest

from headrace import errors
from headrace.storage.local import Local
from headrace.wire.storage import LocalStorage


@pytest.fixture
def saved(tmp_path: Path) -> LocalStorage:
    return Local(tmp_path / "content").save(b"content", "a" * 64, project="p", flow="f")


def _elsewhere(saved: LocalStorage, path: Path) -> LocalStorage:
    return LocalStorage(path=str(path), host=saved.host)


def test_only_the_owner_can_read(saved: LocalStorage) -> None:
    path = Path(saved.path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.name == "a" * 64


def test_damaged_content_is_replaced_by_saving_it_again(saved: LocalStorage) -> None:
    Path(saved.path).write_bytes(b"damaged")
    Local(Path(saved.path).parent).save(b"content", "a" * 64, project="p", flow="f")
    assert Local().load(saved) == b"content"


def test_a_symlink_is_refused(saved: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(saved.path)
    with pytest.raises(errors.ContentError):
        Local().load(_elsewhere(saved, tmp_path / "link"))


def test_a_pipe_is_refused_and_not_waited_for(saved: LocalStorage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.ContentError, match="not a regular file"):
        Local().load(_elsewhere(saved, tmp_path / "pipe"))


def test_a_folder_is_refused(saved: LocalStorage, tmp_path: Path) -> None:
    with pytest.raises(errors.ContentError):
        Local().load(_elsewhere(saved, tmp_path))


def test_content_of_another_host_says_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(errors.ContentError, match="a file on elsewhere"):
        Local().load(LocalStorage(path=str(tmp_path / "none"), host="elsewhere"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ContentError, match="cannot be kept"):
        Local(tmp_path / "file" / "content").save(b"", "a", project="p", flow="f")
