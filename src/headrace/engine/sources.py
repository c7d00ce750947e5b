"""Flows that are registered as source: their files are written to a folder of the run's own and imported from there."""

import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace import errors
from headrace.graph import options
from headrace.storage import tree


def flow(head: tree.Head, files: Iterable[tree.File], folder: Path) -> Any:
    """The flow that the source defines. Runs its code. Raises errors.ContentError in words."""
    try:
        tree.write(files, folder)
    except OSError as error:
        raise errors.ContentError(
            f"the flow's files cannot be written to {folder}: {error.strerror or error}."
        ) from None
    path = folder / head.path
    # as for a script: what lies beside it can be imported, and what lies at the top of the repository
    sys.path[:0] = list(dict.fromkeys([str(path.parent), str(folder)]))
    found = {each.name: each for each in _flows(_module(path, head))}
    if head.flow not in found:
        raise errors.ContentError(
            f"{head.path} at {head.commit[:12]} defines no flow {head.flow!r}{options.suggestion(head.flow, found)}."
        )
    return found[head.flow]


def _module(path: Path, head: tree.Head) -> ModuleType:
    # nothing that is there already may be replaced
    name = path.stem if path.stem not in sys.modules else f"headrace_flow_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise errors.ContentError(
            f"{head.path} needs the module {error.name!r}, which is neither in the repository nor installed where it runs ({sys.prefix})."
        ) from error
    except (Exception, SystemExit) as error:  # the user's file may raise anything
        lines = [
            each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(path)
        ]
        at = f":{lines[-1]}" if lines else ""
        raise errors.ContentError(f"{head.path}{at} failed ({type(error).__name__}: {error}).") from error
    return module


def _flows(module: ModuleType) -> list[Any]:
    """What can be registered of what the file defines at its top. Only kinds are looked at: asking a flow builds it."""
    values: list[Any] = list(vars(module).values())
    return [value for value in values if _is_flow(value)]


def _is_flow(value: object) -> bool:
    kind: type[object] = type(value)
    return hasattr(kind, "register") and hasattr(kind, "graph")
