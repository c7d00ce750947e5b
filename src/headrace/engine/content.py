"""A flow's content: what was pickled and with what, named by its SHA-256 and checked before anything is loaded.

The bytes are a line that says what this is, a line of JSON (the manifest), and the pickle.
"""

# cloudpickle has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import contextlib
import functools
import hashlib
import importlib
import platform
import site
import sys
import sysconfig
import tempfile
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import msgspec

from headrace import errors
from headrace.engine import sources
from headrace.executors import pickling
from headrace.storage import module as module_storage
from headrace.storage import tree

_MARK = b"headrace-content 1\n"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """With what the content was made; `size` counts the bytes of the pickle."""

    python: str
    headrace: str
    cloudpickle: str
    size: int


def pack(flow: Any) -> bytes:
    """The flow's content. Modules that lie beside the script, and so are not installed elsewhere, go along by value.

    Raises errors.ContentError naming what cannot be pickled.
    """
    try:
        with _by_value(_own_modules()):
            pickled = pickling.dumps(flow)
    except Exception as error:  # a user's __reduce__ may raise anything, and the author must be told
        raise errors.ContentError(
            f"the flow cannot be packed ({type(error).__name__}: {error}): a task holds something that cannot be pickled,"
            " such as an open connection. Make it inside the task instead."
        ) from error
    return _MARK + msgspec.json.encode(_here(len(pickled))) + b"\n" + pickled


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check(content: bytes, expected: str) -> None:
    """Raises errors.ContentMismatch unless these are the bytes that were registered. Nothing is loaded."""
    found = sha256(content)
    if found == expected:
        return
    missing = _missing(content)
    if missing:
        raise errors.ContentMismatch(
            f"the flow's content is truncated: {missing} bytes are missing. Register the flow again."
        )
    raise errors.ContentMismatch(
        f"the flow's content is not what was registered: its SHA-256 is {found[:12]}…, registered was {expected[:12]}…."
        " Nothing of it was loaded. Register the flow again, and look who can write to its storage."
    )


def _missing(content: bytes) -> int:
    """How many bytes of the pickle are not there, as far as the manifest can be read."""
    try:
        manifest, pickled = _split(content)
    except errors.ContentError:
        return 0
    return max(0, manifest.size - len(pickled))


def unpack(content: bytes, folder: Path | None = None) -> Any:
    """The flow. Runs code out of the content: call `check` before. Raises errors.ContentError in words.

    Source is written to `folder`, which is made, and imported from there.
    """
    names = module_storage.named(content)
    if names is not None:
        return _imported(*names)
    source = tree.opened(content)
    if source is not None:
        return sources.flow(*source, folder or Path(tempfile.mkdtemp(prefix="headrace-source-")) / "source")
    manifest, pickled = _split(content)
    if len(pickled) != manifest.size:
        raise errors.ContentError(
            f"the flow's content is truncated: {len(pickled)} of {manifest.size} bytes are there."
        )
    here = _here(0)
    if manifest.python.split(".")[:2] != here.python.split(".")[:2]:
        raise errors.ContentError(
            f"the flow was registered with Python {manifest.python} and this run has Python {here.python}:"
            " run it with the same minor version, or register it again with this one."
        )
    try:
        return cloudpickle.loads(pickled)
    except ModuleNotFoundError as error:
        raise errors.ContentError(
            f"the flow needs the module {error.name!r}, which is not installed where it runs (Python {here.python} in {sys.prefix})."
        ) from error
    except Exception as error:  # unpickling runs the user's code, which may raise anything
        raise errors.ContentError(
            f"the flow's content cannot be loaded ({type(error).__name__}: {error}).{_differences(manifest, here)}"
        ) from error


def _split(content: bytes) -> tuple[Manifest, bytes]:
    head, mark, pickled = content[len(_MARK) :].partition(b"\n")
    if not content.startswith(_MARK) or not mark:
        raise errors.ContentError(
            "the flow's content is cut off or is no content of Headrace: register the flow again."
        )
    try:
        return msgspec.json.decode(head, type=Manifest), pickled
    except msgspec.DecodeError as error:
        raise errors.ContentError(
            f"the manifest of the flow's content cannot be read ({error}): register the flow again."
        ) from None


def _imported(module: str, attribute: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found
    except ModuleNotFoundError as error:
        raise errors.ContentError(
            f"the flow is {attribute} of the module {module!r}, and {error.name!r} is not installed where it runs ({sys.prefix})."
        ) from error
    except AttributeError as error:
        raise errors.ContentError(
            f"the module {module!r} has no {attribute!r} where the flow runs: {error}."
        ) from error
    except Exception as error:  # importing runs the user's code, which may raise anything
        raise errors.ContentError(
            f"importing {module!r} failed ({type(error).__name__}: {error})."
        ) from error


def _here(size: int) -> Manifest:
    return Manifest(
        python=platform.python_version(),
        headrace=_version("headrace"),
        cloudpickle=str(cloudpickle.__version__),
        size=size,
    )


@functools.cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _differences(then: Manifest, now: Manifest) -> str:
    pairs = [
        f"{name} {before} (here {after})"
        for name, before, after in (
            ("Python", then.python, now.python),
            ("headrace", then.headrace, now.headrace),
            ("cloudpickle", then.cloudpickle, now.cloudpickle),
        )
        if before != after
    ]
    return f" It was made with {', '.join(pairs)}." if pairs else ""


def _own_modules() -> list[ModuleType]:
    """Loaded modules whose files lie beside the script or below the working directory, and are not installed."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    roots = {Path.cwd()} | {Path(folder).resolve() for folder in sys.path[:1] if folder}
    if script:
        roots.add(Path(script).resolve().parent)
    installed = _installed_folders()
    found: list[ModuleType] = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name == "__main__" or name.partition(".")[0] == "headrace" or module.__name__ != name:
            continue
        above = Path(file).resolve().parents
        if any(root in above for root in roots) and not any(folder in above for folder in installed):
            found.append(module)
    return found


@functools.cache
def _installed_folders() -> frozenset[Path]:
    paths = sysconfig.get_paths()
    folders = [
        paths["stdlib"],
        paths["platstdlib"],
        paths["purelib"],
        paths["platlib"],
        *site.getsitepackages(),
    ]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return frozenset(Path(folder).resolve() for folder in folders)


@contextlib.contextmanager
def _by_value(modules: list[ModuleType]) -> Generator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    ours = [module for module in modules if module.__name__ not in known]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)
