"""The git program, told exactly what to do: no shell, no prompt, no configuration of the machine, no checkout.

Arguments are lists with `--` or a fixed word before what a user wrote. A token travels in the environment of the process,
as a header for this one URL; it is in no argument, no URL, no file and no message.
"""

import base64
import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

import psutil

from headrace import errors, settings
from headrace.storage import variables
from headrace.wire import storage as wire_storage

#: What of the environment git and ssh are given.
_PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
)
#: Relative to the folder in which git is started, so that nothing in this line is ever another's word.
_SSH = "ssh -F ssh_config"
_SSH_OPTIONS = "-oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=10 -oServerAliveInterval=10"
_OBJECT = re.compile(rb"([0-9a-f]{40,64}) (\w+) ?(\d*)")
#: What git says in English (LC_ALL=C), and what it means. The first that fits counts.
_MEANS: tuple[tuple[str, type[errors.ContentError], str], ...] = (
    (
        r"Authentication failed|could not read (Username|Password)|Permission denied|returned error: 40[13]"
        r"|Access denied|Load key|invalid format|Too many authentication",
        errors.StorageRefused,
        "does not accept the credential: look at it where the run was launched",
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION",
        errors.StorageRefused,
        "shows a host key that is not known: give host_keys=, or add it to known_hosts where the run was launched",
    ),
    (
        r"did not send all necessary objects|hash mismatch|inflate|corrupt|index-pack failed|bad object|bad tree"
        r"|fsck error|unable to parse|garbage at end",
        errors.ContentMismatch,
        "is damaged or was altered: what it sends is not what its commit says. Nothing of it was loaded",
    ),
    (
        r"not our ref|unadvertised object|couldn't find remote ref|[Rr]epository .*not found|not appear to be a git"
        r"|No such remote|returned error: 404|does not exist|not exported",
        errors.ContentMissing,
        "does not have it",
    ),
)


class Entry(NamedTuple):
    """One file of a commit."""

    mode: str
    sha: str
    size: int
    path: str


class Git:
    """Works in `folder`, which is empty and the caller's to remove, on the repository of the reference."""

    def __init__(self, folder: Path, reference: wire_storage.GitStorage) -> None:
        self._url = reference.url
        self._program = _program()
        self._folder = folder
        self._patience = settings.load().storage_seconds
        self._secrets: list[str] = []
        self._environment = self._surroundings(reference)
        self._git("init", "--quiet", "--bare", "--template=", "repository")

    def resolve(self, ref: str) -> str:
        """The commit that a branch or tag has now; "" is the default branch."""
        wanted = [ref, f"{ref}^{{}}"] if ref else ["HEAD"]
        lines = self._git("ls-remote", "--quiet", "--", self._url, *wanted).decode().splitlines()
        found = {name: sha for sha, _, name in (line.partition("\t") for line in lines)}
        # an annotated tag names an object of its own; its commit is listed behind it
        commit = next((found[name] for name in reversed(wanted) if name in found), None)
        if commit is None:
            raise errors.ContentMissing(
                f"{self._url} has no {ref.removeprefix('refs/') or 'default branch'}."
            )
        return commit

    def fetch(self, commit: str, ref: str) -> None:
        """Gets the commit, without what was before it where the server can do that."""
        fetch = (
            "--git-dir=repository",
            "fetch",
            "--progress",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-gc",
        )
        try:
            self._git(*fetch, "--depth=1", "--", self._url, commit)
        except errors.ContentMissing:
            # an older server gives only what a branch or tag has now: the whole history has the commit too, if it is there
            wanted = [f"+{ref}:{ref}"] if ref else ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
            self._git(*fetch, "--", self._url, *wanted)
        found = self._git(
            "--git-dir=repository", "cat-file", "--batch-check", given=f"{commit}^{{commit}}\n".encode()
        )
        if not found.startswith(f"{commit} commit ".encode()):
            raise errors.ContentMissing(
                f"{self._url} does not have the commit {commit[:12]} any more: register the flow again."
            )

    def entries(self, commit: str, directory: str) -> Iterator[Entry]:
        """The files below a directory at a commit."""
        below = [f"{directory}/"] if directory else []
        listed = self._git(
            "--git-dir=repository", "ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", *below
        )
        for line in listed.split(b"\0"):
            if line:
                facts, _, path = line.partition(b"\t")
                mode, _, sha, size = facts.decode().split()
                yield Entry(mode, sha, 0 if size == "-" else int(size), _decoded(path))

    def blobs(self, shas: Iterable[str]) -> Iterator[bytes]:
        """The bytes of these objects, as they are in the repository: no filter and no line ending is applied."""
        wanted = "".join(f"{sha}\n" for sha in shas).encode()
        data = memoryview(self._git("--git-dir=repository", "cat-file", "--batch", given=wanted))
        while data:
            head = _OBJECT.match(data)
            if head is None or head[2] != b"blob":
                raise errors.ContentMismatch(f"{self._url} lacks a file of its own commit.")
            begin = head.end() + 1
            end = begin + int(head[3])
            yield bytes(data[begin:end])
            data = data[end + 1 :]

    # --- the process ---

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git prints. It is ended when it has been silent for a storage's patience."""
        process = subprocess.Popen(
            [self._program, "--literal-pathspecs", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                output, said = self._talk(process, given)
            except BaseException:
                _end(process)
                raise
        if process.returncode:
            self._refused(said)
        return output

    def _talk(self, process: "subprocess.Popen[bytes]", given: bytes) -> tuple[bytes, str]:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        chunks: dict[object, list[bytes]] = {process.stdout: [], process.stderr: []}
        heard = time.monotonic()
        with selectors.DefaultSelector() as ready:
            for stream in (process.stdout, process.stderr):
                ready.register(stream, selectors.EVENT_READ)
            if given:
                os.set_blocking(process.stdin.fileno(), False)
                ready.register(process.stdin, selectors.EVENT_WRITE)
            else:
                process.stdin.close()
            while ready.get_map():
                events = ready.select(timeout=0.5)
                if events:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self._patience:
                    raise errors.StorageUnreachable(
                        f"{self._url} does not answer: nothing has come for {self._patience:g} s."
                    )
                for key, _ in events:
                    if key.fileobj is process.stdin:
                        given = _written(key.fd, given)
                        data = given
                    else:
                        data = os.read(key.fd, 65536)
                        chunks[key.fileobj].append(data)
                    if not data:
                        ready.unregister(key.fileobj)
                        key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - a stream
        return b"".join(chunks[process.stdout]), b"".join(chunks[process.stderr]).decode(errors="replace")

    def _refused(self, said: str) -> NoReturn:
        for pattern, kind, words in _MEANS:
            if re.search(pattern, said):
                raise kind(f"{self._url} {words}{self._quoted(said)}.")
        raise errors.StorageUnreachable(f"{self._url} cannot be reached{self._quoted(said)}.")

    def _quoted(self, said: str) -> str:
        """What git said last that is not progress, without any credential."""
        lines = [
            line
            for line in re.split(r"[\r\n]+", said)
            if re.match(r"(fatal|error|remote|ssh|[\w.@-]+): ", line)
        ]
        lines = [
            line
            for line in lines
            if "the remote end hung up" not in line and "Could not read from" not in line
        ]
        for secret in self._secrets:
            lines = [line.replace(secret, "…") for line in lines]
        return f" ({lines[-1][:300].rstrip('. ')})" if lines else ""

    # --- its surroundings ---

    def _surroundings(self, reference: wire_storage.GitStorage) -> dict[str, str]:
        settled = {
            # only what this repository needs: no helper that a machine or a repository names
            "protocol.allow": "never",
            "protocol.https.allow": "always",
            "protocol.http.allow": "always",
            "protocol.ssh.allow": "always",
            # a token is for this host
            "http.followRedirects": "false" if reference.token_variable else "initial",
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": str(max(1, int(self._patience))),
            "credential.helper": "",
            "core.hooksPath": "/dev/null",
            "gc.auto": "0",
        }
        if reference.token_variable:
            user = reference.username or "x-access-token"
            token = variables.value(reference.token_variable)
            encoded = base64.b64encode(f"{user}:{token}".encode()).decode()
            self._secrets += [token, encoded]
            parts = urlsplit(reference.url)
            settled[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"Authorization: Basic {encoded}"
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        if "SSL_CERT_FILE" in passed:
            settled["http.sslCAInfo"] = passed["SSL_CERT_FILE"]
        numbered = {
            f"GIT_CONFIG_{part}_{number}": text
            for number, pair in enumerate(settled.items())
            for part, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {
            **passed,
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": self._ssh(reference),
            "GIT_SSH_VARIANT": "ssh",
            "GIT_CONFIG_COUNT": str(len(settled)),
            **numbered,
        }

    def _ssh(self, reference: wire_storage.GitStorage) -> str:
        """With a key or host keys of one's own ssh reads nothing else; otherwise the user's own configuration counts."""
        if not reference.ssh_key_variable and not reference.host_keys:
            return f"ssh {_SSH_OPTIONS}"
        lines = [
            *("BatchMode yes", "StrictHostKeyChecking yes", "ConnectTimeout 10", "ServerAliveInterval 10"),
            *("UpdateHostKeys no", "ForwardAgent no", "PasswordAuthentication no"),
        ]
        if reference.ssh_key_variable:
            held = variables.value(reference.ssh_key_variable)
            if held.startswith("-----BEGIN"):
                self._keep("key", f"{held}\n")
                self._secrets += [line for line in held.splitlines() if len(line) > 16]
                lines += ["IdentityFile key", "IdentitiesOnly yes", "IdentityAgent none"]
            else:
                self._keep("key", _key_file(held, reference.ssh_key_variable))
                lines += ["IdentityFile key", "IdentitiesOnly yes", "IdentityAgent none"]
        if reference.host_keys:
            # any name: these keys are the repository's server, however it is reached
            self._keep("known_hosts", "".join(f"* {key}\n" for key in reference.host_keys))
            lines += ["UserKnownHostsFile known_hosts", f"GlobalKnownHostsFile {os.devnull}"]
        self._keep("ssh_config", "".join(f"{line}\n" for line in lines))
        return _SSH

    def _keep(self, name: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._folder / name, flags, 0o600), "w") as file:
            file.write(text)


def _written(pipe: int, given: bytes) -> bytes:
    """What is left to write; nothing where nobody reads any more."""
    try:
        return given[os.write(pipe, given[:65536]) :]
    except BrokenPipeError:
        return b""


def _decoded(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise errors.ContentError(
            f"the repository has a file {path!r}, whose name is not UTF-8: leave it out with directory=."
        ) from None


def _key_file(path: str, variable: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise errors.StorageRefused(
            f"the private key that {variable} names cannot be read ({why}): look at it where the run was launched."
        ) from None


def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise errors.StorageUnreachable(
            "the flow's content is in a git repository, and the program git is not installed here: install it."
        )
    return found


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends git and what it started: ssh would wait on."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        below = []
    for each in (process, *below):
        try:
            each.kill()
        except (psutil.Error, ProcessLookupError):
            continue
