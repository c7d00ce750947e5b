"""Git servers as there are: sshd with a key of one's own, and git's own HTTP backend behind a token."""

import base64
import contextlib
import dataclasses
import getpass
import http.server
import os
import shutil
import ssl as tls
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lacking import missing
from stack import free_port, until

TOKEN = "t0ken-that-nobody-may-see"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A bare repository in a folder, with one commit after another."""

    def __init__(self, folder: Path, name: str = "flows.git") -> None:
        self.name = name
        self.path = folder / name
        self._work = folder / f"{name}.work"
        self.git("init", "--quiet", "--bare", "-b", "main", str(self.path), at=folder)
        self.git("clone", "--quiet", str(self.path), str(self._work), at=folder)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=at or self._work,
            env={**os.environ, **_AUTHOR},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: dict[str, str], *, branch: str = "main", amend: bool = False) -> str:
        """Commits the files on the branch and pushes them; its hash."""
        with contextlib.suppress(AssertionError):
            self.git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "flows", *(["--amend"] if amend else []))
        self.git("push", "--quiet", "--force", "origin", branch)
        return self.git("rev-parse", "HEAD")

    def forget(self) -> None:
        """What no branch has is gone for good."""
        self.git("reflog", "expire", "--expire=now", "--all", at=self.path)
        self.git("gc", "--quiet", "--prune=now", at=self.path)

    def alter(self, commit: str, path: str, data: bytes) -> None:
        """Another file takes the place of one, under its name: what a disk or an intruder may do."""
        import zlib

        sha = self.git("rev-parse", f"{commit}:{path}", at=self.path)
        loose = self.path / "objects" / sha[:2] / sha[2:]
        loose.chmod(0o600)
        loose.write_bytes(zlib.compress(b"blob %d\0" % len(data) + data))


@dataclasses.dataclass(frozen=True)
class Ssh:
    """An sshd; `key` is the private key that it accepts, `other_key` one that it does not."""

    port: int
    key: Path
    other_key: Path
    host_key: str

    def url(self, repository: Repository) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository.path}"


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Ssh]:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        missing("openssh-server is not installed: git over SSH is not tested")
    folder.mkdir(mode=0o700)
    for name in ("host", "user", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
        )
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"PidFile {folder}/pid\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        until(lambda: b"listening on" in (folder / "log").read_bytes(), "sshd listens", 20)
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        yield Ssh(port, folder / "user", folder / "other", key)
    finally:
        process.terminate()
        process.wait(10)


class Http:
    """Git's HTTP backend, with TLS where there is a certificate. `seen` holds the first lines and the authorizations of all requests."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.seen: list[tuple[str, str]] = []
        self.url = ""
        backend = (
            Path(subprocess.check_output(["git", "--exec-path"], text=True).strip()) / "git-http-backend"
        )
        expected = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                seen.append((self.requestline, given))
                if given != expected:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="flows"')
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                done = subprocess.run(
                    [str(backend)],
                    input=self._body(),
                    capture_output=True,
                    check=False,
                    env={
                        "PATH": os.environ["PATH"],
                        "GIT_PROJECT_ROOT": str(folder),
                        "GIT_HTTP_EXPORT_ALL": "1",
                        "GIT_CONFIG_GLOBAL": os.devnull,
                        "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                        "REQUEST_METHOD": self.command,
                        "PATH_INFO": path,
                        "QUERY_STRING": query,
                        "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                        "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                        "REMOTE_USER": "flows",
                        "REMOTE_ADDR": "127.0.0.1",
                    },
                )
                head, _, body = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                return body

            def log_message(self, *arguments: Any) -> None:
                """A test shows what it needs."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextlib.contextmanager
def over_http(folder: Path, certificate: Path | None = None) -> Iterator[Http]:
    server = Http(folder, certificate)
    try:
        yield server
    finally:
        server.close()
