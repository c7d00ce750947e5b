"""What every storage must do."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from headrace import storage
from headrace.storage import kinds
from headrace.storage.local import Local
from headrace.storage.module import Module


@pytest.fixture(params=["local", "module"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[storage.Storage, bytes]:
    """A storage, and content that it can keep."""
    if request.param == "local":
        return Local(tmp_path / "content"), b"any bytes \x00\xff"
    module = Module("json", "dumps")
    return module, module.content()


def _save(kept: tuple[storage.Storage, bytes]) -> Any:
    keeper, content = kept
    return keeper.save(content, hashlib.sha256(content).hexdigest(), project="p", flow="f")


def test_what_is_saved_is_loaded_by_its_reference_alone(kept: tuple[storage.Storage, bytes]) -> None:
    reference = _save(kept)
    assert kinds.build(reference).load(reference) == kept[1]


def test_saving_again_changes_nothing(kept: tuple[storage.Storage, bytes]) -> None:
    assert _save(kept) == _save(kept)
    assert kept[0].load(_save(kept)) == kept[1]


def test_a_reference_holds_no_content(kept: tuple[storage.Storage, bytes]) -> None:
    assert kept[1].decode(errors="replace") not in repr(_save(kept))
