"""The tripwire: a module that outgrows its idea, a function that outgrows a screen, a module without a word about itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for path in (ROOT / "src").rglob("*.py") if "versions" not in path.parts)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is_and_keeps_to_one_idea(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{name(path)} has no docstring"
    assert text.count("\n") <= 500, f"{name(path)} has {text.count(chr(10))} lines: find the missing noun"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 50, f"{name(path)}: {node.name} has {lines} lines"


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}
    assert [name(path) for path in MODULES if path.stem in drawers] == []


def test_no_file_names_a_place_of_its_own_machine() -> None:
    here = str(ROOT.parent)
    assert here != "/"
    suspects = [
        path
        for folder in ("src", "tests", "bench", "docs", "examples")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert [name(path) for path in suspects if f"{here}/" in path.read_text() and len(here) > 4] == []
