"""Peers in virtual environments of their own, under `$PEERS_DIR` (else bench/.work/peers); `python bench/peers.py` makes them."""

import functools
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("PEERS_DIR", Path(__file__).parent / ".work" / "peers"))
PROGRAMS = Path(__file__).parent / "peer_programs"

#: What is installed; Prefect's own bounds let in a FastAPI that its server does not start with, hence the date.
PACKAGES = {
    "prefect": ["--exclude-newer", "2026-10-08", "prefect==3.8.8"],
    "dagster": ["dagster", "dagster-webserver"],
    "luigi": ["luigi", "setuptools"],
    "airflow": ["apache-airflow"],
}
#: Nothing is sent anywhere, nothing asked, and they log no more than they must.
QUIET = {
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}


@functools.cache
def python_of(name: str) -> str | None:
    """The peer's interpreter, if it is installed; says once that it is not."""
    found = FOLDER / name / "bin" / "python"
    if found.exists():
        return str(found)
    print(f"{name} is not installed in {FOLDER}: it is not measured (python bench/peers.py installs it)")
    return None


def program_of(name: str, program: str = "") -> str | None:
    """A command that the peer installs, its own by default."""
    return None if python_of(name) is None else str(FOLDER / name / "bin" / (program or name))


def command(name: str, *arguments: object) -> list[str]:
    """What runs the peer's own words for the work that we measure; the peer is installed."""
    (path,) = PROGRAMS.glob(f"{name}_*.py")
    return [str(FOLDER / name / "bin" / "python"), str(path), *map(str, arguments)]


def versions() -> str:
    found = []
    for name in PACKAGES:
        folders = [
            path.name for path in (FOLDER / name).glob(f"lib/*/site-packages/*{name}-[0-9]*.dist-info")
        ]
        found += [folder.removesuffix(".dist-info").replace("-", " ") for folder in folders]
    return ", ".join(found) or "none is installed"


def main() -> None:
    for name, arguments in PACKAGES.items():
        python = FOLDER / name / "bin" / "python"
        if not python.exists():
            subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(FOLDER / name)], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), *arguments], check=True)
        # uv writes no bytecode: without this the first start would measure the compiler
        subprocess.run([str(python), "-m", "compileall", "-q", str(FOLDER / name / "lib")], check=False)


if __name__ == "__main__":
    main()
