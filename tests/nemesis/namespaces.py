"""Agents on hosts of their own: a network namespace each, a cable to this machine, and a wall that can be put between.

Needs root, `ip` and `iptables`. Where they are not, the proxy holds what is sent instead: the same for who speaks HTTP.
"""

import dataclasses
import functools
import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence

#: Which chain is closed for which way to be cut, as seen by the agent.
CHAINS = {"both": ("INPUT", "OUTPUT"), "answers": ("INPUT",), "requests": ("OUTPUT",)}
_numbers = itertools.count()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@functools.cache
def lacks() -> str:
    """Why there can be no namespaces here, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "iptables", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    try:
        tried = Namespace.make()
        try:
            tried.cut("both")
        finally:
            tried.close()
    except OSError as error:
        return str(error)
    return ""


@dataclasses.dataclass(frozen=True)
class Namespace:
    """One host: `near` is this machine's address on the cable, `far` the host's."""

    name: str
    cable: str
    near: str
    far: str

    @classmethod
    def make(cls) -> "Namespace":
        number, own = next(_numbers) % 60, os.getpid()
        network = f"10.{200 + own % 50}.{own // 50 % 250}"
        name, cable = f"hr{own}n{number}", f"h{own}v{number}"
        made = cls(name, cable, f"{network}.{4 * number + 1}", f"{network}.{4 * number + 2}")
        _run("ip", "netns", "add", name)
        try:
            _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", name)
            _run("ip", "address", "add", f"{made.near}/30", "dev", cable)
            _run("ip", "link", "set", cable, "up")
            for rest in (
                ("address", "add", f"{made.far}/30", "dev", "up0"),
                ("link", "set", "up0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _run("ip", "-netns", name, *rest)
        except OSError:
            made.close()
            raise
        return made

    @property
    def entering(self) -> Sequence[str]:
        """What to put before a command that is to run there."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def cut(self, way: str) -> None:
        """Packets of this way are dropped without a word."""
        for chain in CHAINS[way]:
            _run(
                *self.entering,
                "iptables",
                "-w",
                "-A",
                chain,
                "-i" if chain == "INPUT" else "-o",
                "up0",
                "-j",
                "DROP",
            )

    def mend(self) -> None:
        _run(*self.entering, "iptables", "-w", "-F")

    def close(self) -> None:
        for command in (("ip", "link", "delete", self.cable), ("ip", "netns", "delete", self.name)):
            subprocess.run(command, capture_output=True, check=False)
