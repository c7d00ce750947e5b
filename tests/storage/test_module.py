"""Flows that are installed where they run: what is kept is their name."""

import pytest

from headrace import errors
from headrace.storage import kinds
from headrace.storage.module import Module


def test_a_module_is_stored_by_its_name() -> None:
    module = Module("json", "dumps")
    reference = module.save(module.content(), "0" * 64, project="p", flow="f")
    module.withdraw()
    assert kinds.load(reference) == module.content()


def test_other_content_is_refused() -> None:
    with pytest.raises(errors.ContentError, match="stored as a module"):
        Module("json", "dumps").save(b"any", "0" * 64, project="p", flow="f")
