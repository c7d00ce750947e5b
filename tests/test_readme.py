"""What the README shows works as it is written there."""

import ast
import re
from pathlib import Path

from click.testing import CliRunner

from headrace.cli import files, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    """The code block of this language that contains a text."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in found if containing in text)


def test_the_flow_of_the_readme_gives_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "my_flow.py"
    path.write_text(block("python", "square.map"))
    (squares,) = files.load(path)
    assert squares(n=4) == [0, 1, 4, 9]


def test_the_flow_of_the_readme_is_the_example() -> None:
    shown = ast.parse(block("python", "square.map")).body[:-1]
    kept = [
        node
        for node in ast.parse((ROOT / "examples/squares.py").read_text()).body
        if not isinstance(node, ast.Expr)
    ]
    assert [ast.unparse(node) for node in shown] == [ast.unparse(node) for node in kept[:-1]]


def test_every_command_of_the_readme_is_there() -> None:
    named = set(re.findall(r"\$ headrace (\w+)", README))
    assert named
    for name in named:
        shown = CliRunner().invoke(main.root, [name, "--help"])
        assert shown.exit_code == 0, shown.output


def test_every_page_that_the_readme_links_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
