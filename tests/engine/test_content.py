"""Content: packed with what it was made with, checked before it is loaded, and loaded with words for what goes wrong."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace import errors
from headrace.engine import content
from headrace.storage.module import Module


def test_what_is_packed_comes_back() -> None:
    packed = content.pack({"answer": 42})
    content.check(packed, content.sha256(packed))
    assert content.unpack(packed) == {"answer": 42}


def test_one_flipped_byte_is_refused() -> None:
    packed = bytearray(content.pack([1, 2, 3]))
    digest = content.sha256(bytes(packed))
    packed[-3] ^= 1
    with pytest.raises(errors.ContentMismatch, match="not what was registered"):
        content.check(bytes(packed), digest)


@pytest.mark.parametrize("length", [0, 5, 25, -1, -20])
def test_cut_content_is_refused_in_words(length: int) -> None:
    packed = content.pack(list(range(100)))
    with pytest.raises(errors.ContentMismatch):
        content.check(packed[:length], content.sha256(packed))
    with pytest.raises(errors.ContentError, match=r"truncated|cut off"):
        content.unpack(packed[:length])


def _remade(packed: bytes, **changes: Any) -> bytes:
    mark, manifest, pickled = packed.split(b"\n", 2)
    values = msgspec.json.decode(manifest) | changes
    return b"\n".join((mark, msgspec.json.encode(values), pickled))


def test_another_python_is_named() -> None:
    packed = _remade(content.pack(1), python="3.8.1")
    with pytest.raises(errors.ContentError, match=r"Python 3\.8\.1 and this run has Python 3\."):
        content.unpack(packed)


class _Spiteful:
    def __reduce__(self) -> Any:
        return (_refuse, ())


def _refuse() -> None:
    raise ValueError("no")


def test_a_failed_load_names_the_versions_that_differ() -> None:
    packed = _remade(content.pack(_Spiteful()), cloudpickle="1.0.0")
    with pytest.raises(errors.ContentError, match=r"ValueError: no.*cloudpickle 1\.0\.0 \(here "):
        content.unpack(packed)


def test_what_cannot_be_pickled_is_told_at_packing() -> None:
    with pytest.raises(errors.ContentError, match="cannot be packed"):
        content.pack(threading.Lock())


SCRIPT = """
    import sys
    from pathlib import Path
    import beside
    from headrace.engine import content
    Path(sys.argv[1]).write_bytes(content.pack(beside.double))
"""


def test_modules_beside_the_script_go_along(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(
        "def double(x):\n    return factor() * x\n\ndef factor():\n    return 2\n"
    )
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    subprocess.run([sys.executable, "script.py", "packed"], cwd=tmp_path, check=True)
    double = content.unpack((tmp_path / "packed").read_bytes())
    assert double(21) == 42


def test_installed_modules_do_not() -> None:
    packed = content.pack(msgspec.json.encode)
    assert len(packed) < 500


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    packed = content.pack(msgspec.json.encode).replace(b"msgspec", b"msgspek")
    with pytest.raises(errors.ContentError, match="'msgspek"):
        content.unpack(packed)


def test_a_module_flow_is_imported_where_it_runs() -> None:
    assert content.unpack(Module("json", "dumps").content()) is __import__("json").dumps


@pytest.mark.parametrize(
    ("module", "attribute", "words"),
    [
        ("nowhere_at_all", "flow", "'nowhere_at_all' is not installed"),
        ("json", "flow", "'json' has no 'flow'"),
    ],
)
def test_a_module_flow_that_is_not_there_is_named(module: str, attribute: str, words: str) -> None:
    with pytest.raises(errors.ContentError, match=words):
        content.unpack(Module(module, attribute).content())
