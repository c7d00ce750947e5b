"""Peers in virtual environments of their own, under `$PEERS_DIR` (else bench/.work/peers); `python bench/peers.py` makes them."""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("PEERS_DIR", Path(__file__).parent / ".work" / "peers"))

#: What is installed; Prefect's own bounds let in a FastAPI that its server does not start with, hence the date.
PACKAGES = {
    "prefect": ["--exclude-newer", "2026-10-08", "prefect==3.8.8"],
    "dagster": ["dagster"],
    "luigi": ["luigi", "setuptools"],
}


def python_of(name: str) -> str | None:
    """The peer's interpreter, if it is installed."""
    found = FOLDER / name / "bin" / "python"
    return str(found) if found.exists() else None


def main() -> None:
    for name, arguments in PACKAGES.items():
        if python_of(name) is None:
            subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(FOLDER / name)], check=True)
            subprocess.run(
                ["uv", "pip", "install", "-q", "--python", str(FOLDER / name / "bin" / "python"), *arguments],
                check=True,
            )
        # uv writes no bytecode: without this the first start would measure the compiler
        subprocess.run(
            [str(FOLDER / name / "bin" / "python"), "-m", "compileall", "-q", str(FOLDER / name / "lib")],
            check=False,
        )


if __name__ == "__main__":
    main()
