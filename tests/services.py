"""Provides what the tests use beside Python, where this machine allows it: PostgreSQL, Chromium, proxies, sshd, by Debian's names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {
    "postgresql": lambda: shutil.which("initdb") or sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    # where Debian puts them a user's PATH may not look
    **{
        name: lambda name=name: shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        for name in ("nginx", "haproxy", "pgbouncer")
    },
    "git": lambda: shutil.which("git"),
    "openssh-server": lambda: shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
    "chromium": lambda: (
        shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    ),
}


def main() -> None:
    missing = [package for package, found in NEEDED.items() if not found()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"not here: {', '.join(missing)}; the tests that need them are skipped", file=sys.stderr)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(
        # without a font a page has no text to look at
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, "fonts-dejavu-core"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
