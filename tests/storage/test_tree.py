"""S18: content that is source stays below its folder, and is the same bytes for the same files."""

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import errors
from headrace.storage import tree

FILES = [tree.File("flows/daily.py", False, b"x = 1\n"), tree.File("bin/run", True, b"\x00\xff")]


def packed(files: list[tree.File] = FILES) -> bytes:
    return tree.pack("flows/daily.py", "daily", "c" * 40, files)


def test_what_is_packed_is_opened_and_written(tmp_path: Path) -> None:
    opened = tree.opened(packed())
    assert opened is not None
    head, files = opened
    assert (head.path, head.flow, head.commit) == ("flows/daily.py", "daily", "c" * 40)
    tree.write(files, tmp_path / "source")
    assert (tmp_path / "source" / "flows" / "daily.py").read_bytes() == b"x = 1\n"
    assert stat.S_IMODE((tmp_path / "source" / "bin" / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "source" / "flows").stat().st_mode) == 0o700
    assert tree.opened(b"any other content") is None


@given(st.permutations(FILES))
def test_the_order_of_the_files_makes_no_other_content(files: list[tree.File]) -> None:
    assert packed(files) == packed()


BAD = ("../x", "/etc/passwd", "a/../../x", "a//x", "", ".", "a\\..\\x", "a\0b", "flows/daily.py/../../../x")


@pytest.mark.parametrize("path", BAD)
def test_a_path_that_leads_out_is_refused_when_packed_and_when_opened(path: str, tmp_path: Path) -> None:
    bad = tree.File(path, False, b"bad")
    with pytest.raises(errors.ContentError, match="no path below a folder"):
        packed([*FILES, bad])
    line, data = packed().removeprefix(tree.MARK).split(b"\n", 1)
    head = msgspec.json.decode(line)
    head["files"].append([path, False, 3])
    crafted = tree.MARK + msgspec.json.encode(head) + b"\n" + data + b"bad"
    with pytest.raises(errors.ContentError, match="no path below a folder"):
        tree.opened(crafted)
    with pytest.raises(errors.ContentError, match="no path below a folder"):
        tree.write([bad], tmp_path / "source")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    with pytest.raises(FileExistsError):
        tree.write(FILES, folder)
    twice = [FILES[0], tree.File(FILES[0].path, False, b"other")]
    with pytest.raises(FileExistsError):
        tree.write(twice, tmp_path / "twice")


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_cut_content_is_refused_in_words(cut: int) -> None:
    with pytest.raises(errors.ContentError, match="truncated"):
        tree.opened(packed()[:-cut])
    with pytest.raises(errors.ContentError, match="no list of its files"):
        tree.opened(packed()[: len(tree.MARK) + 10])


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "LARGEST", 5)
    with pytest.raises(errors.ContentError, match="narrow them with directory="):
        packed()


def test_the_flows_file_must_be_there() -> None:
    with pytest.raises(errors.ContentMissing, match=r"no file 'flows/daily\.py'"):
        packed(FILES[1:])
