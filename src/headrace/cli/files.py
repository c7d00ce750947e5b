"""Finding flows in Python files: each file is imported once, as a module of its own, from its own folder."""

import importlib.util
import linecache
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from headrace import errors, flows


def load(path: Path) -> list[flows.Flow[..., Any]]:
    """The flows that a file defines at its top, in order of definition.

    Raises errors.FlowFileError with the place in the user's file where it went wrong.
    """
    if not path.exists():
        raise errors.FlowFileError(f"there is no file {path}")
    if path.suffix != ".py":
        raise errors.FlowFileError(f"{path} is not a Python file")
    module_name = path.stem
    specification = importlib.util.spec_from_file_location(module_name, path.resolve())
    if specification is None or specification.loader is None:
        raise errors.FlowFileError(f"{path} cannot be imported")
    linecache.checkcache()
    module = importlib.util.module_from_spec(specification)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[module_name] = module
    try:
        specification.loader.exec_module(module)
    except errors.HeadraceError as error:
        raise errors.FlowFileError(f"{path}{_line(error, path)}: {error.message}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's file may raise anything
        raise errors.FlowFileError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from None
    found = [
        cast("flows.Flow[..., Any]", value)
        for value in vars(module).values()
        if isinstance(value, flows.Flow)
    ]
    return list({id(flow): flow for flow in found}.values())


def find(paths: tuple[Path, ...]) -> Iterator[Path]:
    """The files named, and those below the folders named; hidden folders and virtual environments are left out."""
    for path in paths:
        if not path.exists():
            raise errors.FlowFileError(f"there is no file or folder {path}")
        if path.is_dir():
            for file in sorted(path.rglob("*.py")):
                parts = file.relative_to(path).parts
                if not any(
                    part.startswith(".") or part in ("__pycache__", "site-packages", "node_modules")
                    for part in parts
                ):
                    yield file
        else:
            yield path


def _line(error: BaseException, path: Path) -> str:
    """`:12` for the last frame inside the user's file; for a syntax error the line it names."""
    if isinstance(error, SyntaxError) and error.filename == str(path.resolve()):
        return f":{error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path.resolve())
    ]
    return f":{frames[-1].lineno}" if frames else ""
