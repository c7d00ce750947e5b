"""Proxies and poolers as people put them before and behind servers, with the very configuration that the documentation gives.

Only addresses, ports and the places of files are replaced.
"""

import datetime
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import lacking

PAGE = Path(__file__).parents[2] / "docs" / "several-servers.md"
#: By which the documentation calls the service.
NAME = "headrace.example.com"


def documented(language: str) -> str:
    """The configuration that stands in the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return found


def with_(text: str, replaced: Mapping[str, str]) -> str:
    """The text with all of these replaced; each must be there."""
    for old, new in replaced.items():
        assert old in text, f"{old!r} is not in the documented configuration any more"
        text = text.replace(old, new)
    return text


def program(name: str) -> str:
    """Where it is; the test is skipped where it is not."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        lacking.missing(f"{name} is not installed")
    return found


class Program:
    """A program with its files in a folder of its own, until `close`."""

    def __init__(self, folder: Path, command: Sequence[str], port: int, user: str | None = None) -> None:
        self._log = folder / "output.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, user=user
            )
        until = time.monotonic() + 20
        while not _listens(port):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, f"it does not listen: {self._log.read_text()}"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        sys.stdout.write(f"--- {self._log}\n{self._log.read_text(errors='replace')[-2000:]}\n")


def nginx(folder: Path, port: int, servers: Sequence[int]) -> Program:
    """Behind it the servers, and one that is not there."""
    replaced = {
        **_addresses(servers),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/headrace.crt": str(folder / "headrace.crt"),
        "/etc/ssl/headrace.key": str(folder / "headrace.key"),
    }
    (folder / "site.conf").write_text(with_(documented("nginx"), replaced))
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}include {folder}/site.conf;\n}}\n"
    )
    return Program(folder, [program("nginx"), "-e", "stderr", "-c", str(folder / "nginx.conf")], port)


def haproxy(folder: Path, port: int, servers: Sequence[int]) -> Program:
    """Behind it the servers, and one that is not there."""
    replaced = {
        **_addresses(servers),
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/ssl/headrace.pem": str(folder / "headrace.pem"),
    }
    (folder / "haproxy.cfg").write_text(with_(documented("haproxy"), replaced))
    return Program(folder, [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], port)


def pgbouncer(folder: Path, port: int, database: str, host: Path, password: str) -> Program:
    """Before the database of this name, whose socket is in the folder `host`."""
    replaced = {
        "headrace = host=db.internal port=5432 dbname=headrace": f"headrace = host={host} dbname={database}",
        "listen_addr = 0.0.0.0": "listen_addr = 127.0.0.1",
        "listen_port = 6432": f"listen_port = {port}",
        "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
    }
    (folder / "pgbouncer.ini").write_text(with_(documented("ini"), replaced) + "unix_socket_dir =\n")
    (folder / "userlist.txt").write_text(f'"postgres" "{password}"\n')
    # it refuses to run as root
    user = "postgres" if os.geteuid() == 0 else None
    return Program(folder, [program("pgbouncer"), str(folder / "pgbouncer.ini")], port, user)


def _addresses(servers: Sequence[int]) -> dict[str, str]:
    return {f"10.0.0.{place}:7400": f"127.0.0.1:{port}" for place, port in enumerate(servers, 1)}


def certificate(folder: Path) -> Path:
    """Makes headrace.crt, headrace.key and both in headrace.pem; the answer is what a client must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(NAME), x509.DNSName("localhost")]
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    shown = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, content in {"crt": shown, "key": secret, "pem": shown + secret}.items():
        (folder / f"headrace.{name}").write_bytes(content)
    return folder / "headrace.crt"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
