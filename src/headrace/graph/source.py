"""A function's or class's source in a normal form: without comments, docstrings, formatting, decorators and places.

Decorators are left out because what they did is seen in the object itself: an option of a task, a wrapper's closure.
"""

import ast
import inspect
import types

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


class Sources:
    """Normal forms of definitions. Each file is parsed once."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, list[_Definition]]] = {}

    def of_code(self, code: types.CodeType) -> str | None:
        """The normal form of the function that has this code; None where its source is not to be had."""
        try:
            lines, _ = inspect.findsource(code)
        except (OSError, TypeError, IndexError):
            return None
        found = [
            node
            for node in self._index(code.co_filename, lines).get(code.co_firstlineno, ())
            if _name(node) == code.co_name
        ]
        return normal(found[0]) if len(found) == 1 else None

    def of_class(self, kind: type) -> str | None:
        """The normal form of a class; None where its source is not to be had."""
        try:
            text = inspect.getsource(kind)
            return normal(ast.parse(inspect.cleandoc("\n" + text)).body[0])
        except (OSError, TypeError, SyntaxError, IndexError):
            return None

    def of_module(self, text: str) -> str:
        return normal(ast.parse(text))

    def _index(self, filename: str, lines: list[str]) -> dict[int, list[_Definition]]:
        """Definitions by the line on which they begin, their decorators included, as code objects count."""
        if filename not in self._files:
            index: dict[int, list[_Definition]] = {}
            try:
                tree = ast.parse("".join(lines))
            except (SyntaxError, ValueError):  # a notebook's cell with magics, a file edited since
                tree = ast.Module([], [])
            for node in ast.walk(tree):
                if isinstance(node, _Definition):
                    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
                    index.setdefault(first, []).append(node)
            self._files[filename] = index
        return self._files[filename]


def normal(tree: ast.AST) -> str:
    """A definition as text in the one way that `ast` writes it, its own decorators and all docstrings left out."""
    tree = _Bare().visit(ast.parse(ast.unparse(tree)))
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.decorator_list = []
    return ast.unparse(tree)


def _name(node: _Definition) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


class _Bare(ast.NodeTransformer):
    """Removes docstrings, wherever a definition or module begins with one."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return node
