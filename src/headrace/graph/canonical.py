"""Code and values in a form that is the same in every process and on every day, so that its digest decides versions.

A function is its normal source, defaults, closure, and the module globals it reads, each in the same form; what comes from
an installed package is that package's name==version. No form depends on where files lie, on hash seeds or on identities.
"""

import contextvars
import dataclasses
import dis
import enum
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import logging
import os
import re
import site
import sys
import sysconfig
import threading
import types
import typing
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, cast

from headrace.graph import source

#: A JSON value.
Form = Any

_ATOMS = frozenset({bool, int, float, complex, str, type(None), type(Ellipsis), type(NotImplemented)})


class NoFormError(Exception):
    """A value has no canonical form. `path` says where it was found, outermost first."""

    def __init__(self, kind: str, path: list[str]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.path = path


class Forms:
    """Makes forms. Functions and classes are written once, in a table, and named by their place in it: they may be recursive."""

    def __init__(self) -> None:
        self._table: list[Form] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # an id names an object only while it lives
        self._open: dict[int, int] = {}
        self._path: list[str] = []
        self._sources = source.Sources()

    def digest(self, root: Form) -> str:
        """SHA-256 of a form and of all that it refers to."""
        return hashlib.sha256(_text([root, self._table]).encode()).hexdigest()

    def named(self, name: str, value: Any) -> Form:
        """The form of a value; `name` is said where it, or something in it, has none."""
        self._path.append(name)
        form = self.of(value)
        self._path.pop()
        return form

    def of(self, value: Any) -> Form:
        """The form of any value. Raises NoFormError."""
        if type(value) in _ATOMS:
            return [type(value).__name__, repr(value)]
        if isinstance(value, bytes | bytearray):
            return [type(value).__name__, hashlib.sha256(value).hexdigest()]
        if isinstance(value, PurePath):
            return ["path", value.as_posix()]
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, types.FunctionType):
            return _foreign(value.__module__, value.__qualname__) or self._place(value, self._function)
        if isinstance(value, type):
            return _foreign(value.__module__, value.__qualname__) or self._place(value, self._class)
        if isinstance(
            value, types.BuiltinFunctionType | types.WrapperDescriptorType | types.MethodDescriptorType
        ):
            return self._builtin(value)
        if hasattr(cast("Any", type(value)), "canonical_form"):  # ours: a task, a flow
            return self._place(value, self._own)
        return self._guarded(value)

    def _own(self, value: Any) -> Form:
        return value.canonical_form(self)

    def _guarded(self, value: Any) -> Form:
        """A value that may hold others, itself among them: then it is named by how deep it lies."""
        if id(value) in self._open:
            return ["above", self._open[id(value)]]
        self._open[id(value)] = len(self._open)
        try:
            return self._compound(value)
        finally:
            del self._open[id(value)]

    def _compound(self, value: Any) -> Form:
        if type(value) in (list, tuple):
            return [type(value).__name__, [self.of(item) for item in value]]
        if isinstance(value, set | frozenset):
            items = sorted(cast("frozenset[Any]", value), key=self._rank)
            return [type(cast("Any", value)).__name__, [self.of(item) for item in items]]
        if type(value) is dict:
            pairs = cast("dict[Any, Any]", value)
            return ["dict", sorted(([self.of(key), self.of(item)] for key, item in pairs.items()), key=_text)]
        if isinstance(value, enum.Enum):
            return ["enum", self.of(type(value)), value.name]
        if isinstance(value, types.MethodType):
            return ["method", value.__name__, self.of(value.__self__)]
        if isinstance(value, staticmethod | classmethod):
            return self.of(cast("Any", value).__func__)
        if isinstance(value, property):
            return ["property", [self.of(part) for part in (value.fget, value.fset, value.fdel)]]
        if isinstance(value, functools.partial):
            return ["partial", *(self.of(part) for part in (value.func, value.args, value.keywords))]
        if dataclasses.is_dataclass(value):
            return [
                self.of(type(value)),
                [[each.name, self.of(getattr(value, each.name))] for each in dataclasses.fields(value)],
            ]
        return _plain(value) or self._reduced(value)

    def _rank(self, item: Any) -> str:
        """Orders a set before its items get places in the table: by a form of their own, not by the process's hash seed."""
        if type(item) in _ATOMS:
            return repr(item)
        alone = Forms()
        alone._open = dict(self._open)
        alone._sources = self._sources
        return alone.digest(alone.of(item))

    def _reduced(self, value: Any) -> Form:
        """By what the value would tell pickle: the call that makes it again, and its state."""
        try:
            parts = value.__reduce_ex__(4)
        except Exception as error:
            raise NoFormError(type(value).__name__, [*self._path]) from error
        if isinstance(parts, str):
            if callable(value) and hasattr(value, "__wrapped__"):  # functools.cache and its like
                return ["wrapper", self.of(type(value)), self.of(cast("Any", value).__wrapped__)]
            return _foreign(getattr(value, "__module__", None) or type(value).__module__, parts) or [
                "name",
                parts,
            ]
        made, arguments, *rest = parts
        lists = [None if part is None or index == 0 else list(part) for index, part in enumerate(rest[:3])]
        state = rest[0] if rest else None
        return ["object", self.of(made), self.of(arguments), self.of(state), self.of(lists[1:])]

    def _place(self, value: Any, form: Any) -> Form:
        if id(value) not in self._places:
            place = self._places[id(value)] = len(self._table)
            self._kept.append(value)
            self._table.append(None)
            self._table[place] = form(value)
        return ["at", self._places[id(value)]]

    def _function(self, function: types.FunctionType) -> Form:
        closed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        return [
            "function",
            self._sources.of_code(function.__code__) or self._bytecode(function.__code__),
            [
                self.named(f"a default of '{function.__name__}'", value)
                for value in function.__defaults__ or ()
            ],
            [
                [name, self.named(name, value)]
                for name, value in sorted((function.__kwdefaults__ or {}).items())
            ],
            [[name, self.named(name, cell.cell_contents)] for name, cell in closed if _is_filled(cell)],
            [[name, self.named(name, value)] for name, value in sorted(_read_globals(function).items())],
            [self._imported(name) for name in sorted(set(_imports(function)))],
        ]

    def _bytecode(self, code: types.CodeType) -> Form:
        """Where there is no source: typed into an interpreter, or made by `exec`."""
        constants = [
            self._bytecode(each) if isinstance(each, types.CodeType) else self.of(each)
            for each in code.co_consts[1:]
        ]
        return [code.co_name, code.co_code.hex(), list(code.co_names), list(code.co_varnames), constants]

    def _class(self, kind: type) -> Form:
        text = self._sources.of_class(kind)
        own: list[tuple[str, Any]] = []
        for name, value in sorted(vars(kind).items()):
            machinery = name in _CLASS_MACHINERY or isinstance(value, _DESCRIPTORS) or _is_generated(value)
            # Plain values are in the source; what methods read is not.
            if not machinery and (text is None or isinstance(value, _METHODS)):
                own.append((name, value))
        return [
            "class",
            kind.__qualname__,
            text,
            [self.of(base) for base in kind.__bases__],
            [[name, self.named(name, value)] for name, value in own],
        ]

    def _builtin(self, value: Any) -> Form:
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            return ["method", value.__name__, self.of(owner)]
        module = getattr(value, "__module__", None) or getattr(
            getattr(value, "__objclass__", None), "__module__", "builtins"
        )
        return _foreign(module, value.__qualname__) or ["builtin", value.__qualname__]

    def _module(self, module: types.ModuleType) -> Form:
        return _foreign(module.__name__, "") or self._place(module, self._project_module)

    def _project_module(self, module: types.ModuleType) -> Form:
        try:
            return ["module", self._sources.of_module(inspect.getsource(module))]
        except (OSError, TypeError, SyntaxError):
            return ["module", module.__name__]

    def _imported(self, name: str) -> Form:
        """A module imported inside a function, without importing it now."""
        known = sys.modules.get(name)
        if known is not None:
            return self._module(known)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            spec = None
        origin = None if spec is None else spec.origin
        if origin is None or not origin.endswith(".py"):
            return _foreign(name, "") or ["missing", name]
        if _is_installed(origin):
            return ["package", _version(name), ""]
        return ["module", self._sources.of_module(Path(origin).read_text(encoding="utf-8"))]


#: What has no value of its own when a run begins.
_EMPTY = (type(threading.Lock()), type(threading.RLock()), threading.local, contextvars.ContextVar)

_DESCRIPTORS: Any = (types.MemberDescriptorType, types.GetSetDescriptorType)
_METHODS: Any = (types.FunctionType, staticmethod, classmethod, property)
_CLASS_MACHINERY = frozenset(
    {"__module__", "__doc__", "__dict__", "__weakref__", "__qualname__", "__annotations__", "__slots__"}
    | {
        "__static_attributes__",
        "__firstlineno__",
        "__annotations_cache__",
        "__annotate_func__",
        "__parameters__",
        "__orig_bases__",
    }
)


def _text(form: Form) -> str:
    return json.dumps(form, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def _plain(value: Any) -> Form:
    """Values of the standard library that stand for something outside, or whose text is their value."""
    if isinstance(value, logging.Logger | logging.LoggerAdapter):
        return ["logger"]  # its name is often the module's, which depends on how a file was started
    if value is os.environ:
        return ["environment"]
    if isinstance(value, _EMPTY):
        return ["fresh", type(cast("Any", value)).__name__]
    if isinstance(value, re.Pattern):
        return ["pattern", str(cast("Any", value).pattern), value.flags]
    if (
        isinstance(value, typing.TypeVar | typing.ParamSpec | types.GenericAlias | types.UnionType)
        or type(value).__module__ == "typing"
    ):
        return ["type", repr(value)]
    return None


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that its function has not given a value yet
        return False


def _is_generated(value: Any) -> bool:
    """Methods that `dataclass` and its like write: they follow from the class's source."""
    code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
    return code is not None and code.co_filename.startswith("<") and code.co_filename == "<string>"


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _read_globals(function: types.FunctionType) -> dict[str, Any]:
    """The module globals a function reads; of a module of the project only what it takes from it, as `module.name`."""
    found: dict[str, Any] = {}
    for code in _codes(function.__code__):
        path: str | None = None
        value: Any = None
        for step in dis.get_instructions(code):
            if (
                path is not None
                and step.opname in ("LOAD_ATTR", "LOAD_METHOD")
                and _is_project(value)
                and hasattr(value, step.argval)
            ):
                path, value = f"{path}.{step.argval}", getattr(value, step.argval)
                continue
            if path is not None:
                found[path] = value
                path = None
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in function.__globals__:
                path, value = str(step.argval), function.__globals__[step.argval]
        if path is not None:
            found[path] = value
    return {
        name: value for name, value in found.items() if not name.startswith("__") and value is not function
    }


def _imports(function: types.FunctionType) -> Iterator[str]:
    package = str(function.__globals__.get("__package__") or "")
    for code in _codes(function.__code__):
        before: list[dis.Instruction] = []
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                level = int(before[-2].argval) if len(before) > 1 else 0
                try:
                    yield importlib.util.resolve_name("." * level + step.argval, package)
                except ImportError:
                    yield step.argval
            before = [*before[-1:], step]


def _is_project(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and _foreign(value.__name__, "") is None


def _foreign(module: str | None, name: str) -> Form:
    """The form of what is not the project's own: the standard library's by name, an installed package's by name==version."""
    top = (module or "builtins").partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return ["python", module, name]
    if top == "headrace":  # a new Headrace makes no new version of anybody's flow
        return ["headrace", module, name]
    file = getattr(sys.modules.get(module or ""), "__file__", None) or getattr(
        sys.modules.get(top), "__file__", None
    )
    if file is not None and _is_installed(file):
        return ["package", _version(top), f"{module}:{name}"]
    return None


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    paths = {
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        site.getusersitepackages(),
        *site.getsitepackages(),
    }
    return tuple(str(Path(path).resolve()) + os.sep for path in paths)


@functools.cache
def _is_installed(file: str) -> bool:
    return str(Path(file).resolve()).startswith(_installed_folders())


@functools.cache
def _version(module: str) -> str:
    """name==version of the distribution that a module belongs to."""
    top = module.partition(".")[0]
    try:
        return f"{top}=={importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        pass
    for name in importlib.metadata.packages_distributions().get(top, ()):
        return f"{name}=={importlib.metadata.version(name)}"
    return top
