"""The names of `headrace`: all there, light to import, and shadowed by no module."""

import subprocess
import sys

import pytest


def test_importing_the_names_loads_nothing_heavy():
    heavy = (
        "msgspec",
        "urllib3",
        "cloudpickle",
        "asyncio",
        "sqlalchemy",
        "logging",
        "importlib.metadata",
        "headrace.engine",
        "headrace.wire",
    )
    program = f"import sys; from headrace import flow, task; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_every_public_name_is_there():
    import headrace

    for name in headrace.__all__:
        assert getattr(headrace, name) is not None
    assert set(headrace.__all__) <= set(dir(headrace))
    assert headrace.signals.Skip is headrace.Skip
    assert len(set(headrace.__all__)) == len(headrace.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tusk'"):
        headrace.tusk  # noqa: B018


def test_no_module_bears_the_name_of_a_public_object():
    program = (
        "import headrace, importlib, pkgutil\n"
        "modules = {each.name for each in pkgutil.iter_modules(headrace.__path__)}\n"
        "print(sorted(modules & set(headrace.__all__)))\n"
        "from headrace import flows, graph, errors\n"
        "import headrace.flows, headrace.graph.task, headrace.graph.graph\n"
        "from headrace import flow, task\n"
        "print(type(flow).__name__, type(task).__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\nfunction function\n"
