"""A Docker engine of a test's own, which may be stopped and killed: beside the one that the other tests share."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from headrace.launch.docker.engine import Engine
from lacking import missing

#: A bridge of its own: an engine without one removes that of the other engine.
BRIDGE, ADDRESS = "hrtest0", "10.213.77.1"


class Dockerd:
    """One engine in a folder. Containers of it reach this machine at `ADDRESS`."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            missing("no dockerd that this user could start")
        self.folder = folder
        folder.mkdir()
        self.url = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=False, capture_output=True)
        for command in (["addr", "replace", f"{ADDRESS}/24", "dev"], ["link", "set", "up", "dev"]):
            subprocess.run(["ip", *command, BRIDGE], check=True)

    def start(self) -> None:
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    *("--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"),
                    *("--pidfile", f"{self.folder}/docker.pid", "--host", self.url),
                    *("--bridge", BRIDGE, "--iptables=false", "--ip6tables=false"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + 90
        while not Engine(self.url).is_there():
            assert time.monotonic() < until, (self.folder / "dockerd.log").read_text()[-3000:]
            time.sleep(0.1)

    def load(self, source: str, image: str) -> None:
        """An image of another engine."""
        with subprocess.Popen(["docker", "--host", source, "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "--host", self.url, "load"], stdin=saved.stdout, check=True, capture_output=True
            )

    def stop(self) -> None:
        """As `systemctl stop` does it: containers are told to end, then ended."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def kill(self) -> None:
        """The engine alone; containers go on without it."""
        assert self._process is not None
        below = psutil.Process(self._process.pid).children()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        # its containerd would stand in the way of the next one's
        for child in below:
            child.kill()
        (self.folder / "docker.pid").unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.folder) in word for word in process.info["cmdline"] or ()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)
        subprocess.run(
            ["umount", "--recursive", "--lazy", f"{self.folder}/data"], check=False, capture_output=True
        )
