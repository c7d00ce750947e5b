"""R5: storages of other packages, and what a run loads of those that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest

import storage_rigs
from headrace import errors
from headrace.storage import kinds
from headrace.wire.storage import ExtensionStorage, LocalStorage


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> storage_rigs.ExtensionRig:
    rig = storage_rigs.ExtensionRig(tmp_path)
    monkeypatch.syspath_prepend(str(rig.packages))
    return rig


def test_a_name_that_is_nearly_one_is_suggested(acme: storage_rigs.ExtensionRig) -> None:
    with pytest.raises(errors.StorageUnknown, match=r"storage called 'acmee': did you mean 'acme'\?"):
        kinds.load(ExtensionStorage(name="acmee"))
    with pytest.raises(errors.StorageUnknown, match="there are: acme, broken"):
        kinds.load(ExtensionStorage(name="zzz"))


def test_a_package_that_cannot_be_imported_is_named(acme: storage_rigs.ExtensionRig) -> None:
    with pytest.raises(errors.StorageUnknown, match="acme_storage:Missing, which cannot be imported"):
        kinds.load(ExtensionStorage(name="broken"))


def test_whatever_another_storage_raises_or_gives_is_said_in_words(
    acme: storage_rigs.ExtensionRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        errors.StorageUnreachable, match=r"the storage 'acme' failed \(KeyError: 'ACME_TOKEN'\)"
    ):
        kinds.load(ExtensionStorage(name="acme"))
    monkeypatch.setattr(sys.modules["acme_storage"].Acme, "load", lambda reference: "text")
    with pytest.raises(errors.StorageUnreachable, match="gave a str and not bytes"):
        kinds.load(ExtensionStorage(name="acme"))


def test_our_own_names_are_not_taken_over(acme: storage_rigs.ExtensionRig, tmp_path: Path) -> None:
    """A package that calls its storage `local` does not get what is stored locally."""
    information = acme.packages / "acme_storage-1.0.dist-info"
    (information / "entry_points.txt").write_text("[headrace.storages]\nlocal = acme_storage:Acme\n")
    (tmp_path / "content").write_bytes(b"mine")
    assert kinds.load(LocalStorage(path=str(tmp_path / "content"), host="h")) == b"mine"


LOADS = """
import sys
from headrace.storage import kinds, local
reference = local.Local().save(b"content", "a" * 64, project="p", flow="f")
assert kinds.load(reference) == b"content"
import headrace.engine.execute
wanted = ("obstore", "headrace.storage.git", "headrace.storage.git_program", "headrace.storage.webhook", "headrace.storage.objects")
print([name for name in wanted if name in sys.modules])
"""


def test_content_of_a_local_file_loads_nothing_of_the_other_storages(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LOADS],
        env={"HEADRACE_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"
