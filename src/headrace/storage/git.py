"""Content in a git repository: the files of one commit. What is not committed and pushed is not registered."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from headrace import errors
from headrace.storage import git_program, pace, tree, variables
from headrace.wire import storage as wire_storage

_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_~/][^\s]*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+#@-]{0,199}")
_FULL_REF = re.compile(r"refs/(?:heads|tags)/(.*)", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HOST_KEY = re.compile(r"(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+")
#: What an HTTP server takes for the user of a token: GitHub, GitLab, Gitea and Bitbucket accept this one.
_USERNAME = "x-access-token"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Git:
    """A flow in the file `path` of a repository: `Git("https://github.com/acme/flows.git", "flows/sales.py")`.

    The commit is the one that the branch, the tag or the default branch has when the flow is registered, and stays. All
    files below `directory` (all of the repository, if it is not given) go along and can be imported. Credentials are named by environment
    variables: `token_variable` holds a token for HTTPS, `ssh_key_variable` a private key or the path of one. `host_keys`
    are the server's public keys, as `ssh-keyscan` prints them behind the host; without them `known_hosts` decides.
    """

    def __init__(
        self,
        url: str,
        path: str,
        *,
        branch: str | None = None,
        tag: str | None = None,
        commit: str | None = None,
        directory: str = "",
        token_variable: str | None = None,
        username: str = _USERNAME,
        ssh_key_variable: str | None = None,
        host_keys: Iterable[str] = (),
    ) -> None:
        self._url = _checked_url(url, token_variable is not None)
        self._path = _checked_path(path, "path")
        if not path.endswith(".py"):
            raise errors.Invalid(f"path is {path!r}; give the Python file that defines the flow.")
        self._directory = _checked_path(directory, "directory") if directory else ""
        if self._directory and not self._path.startswith(f"{self._directory}/"):
            raise errors.Invalid(f"path is {path!r}, which is not below the directory {directory!r}.")
        self._ref, self._commit = _ref(branch, tag, commit)
        if not _USER.fullmatch(username):
            raise errors.Invalid(f"username is {username!r}, which is no user's name.")
        self._username = username
        self._token = variables.name(token_variable, "token_variable") if token_variable else ""
        self._ssh_key = variables.name(ssh_key_variable, "ssh_key_variable") if ssh_key_variable else ""
        self._host_keys = [_checked_host_key(key) for key in host_keys]

    def content(self, flow: str, file: str | None) -> bytes:
        """The files at the commit. Raises errors.ContentError where the flow's file here is another than the one there."""
        with tempfile.TemporaryDirectory(prefix="headrace-git-") as folder:
            program = git_program.Git(Path(folder), self._reference("", flow))
            commit = self._commit or program.resolve(self._ref)
            found = _content(program, self._reference(commit, flow))
        if file is not None and Path(file).name == Path(self._path).name:
            self._compare(found, Path(file), commit)
        return found

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> wire_storage.GitStorage:
        """Keeps nothing: the repository has it. The reference names the commit."""
        opened = tree.opened(content)
        if opened is None:
            raise errors.ContentError(
                f"{project}/{flow} is stored in git: its content is Git.content(), nothing else."
            )
        return self._reference(opened[0].commit, opened[0].flow)

    def withdraw(self) -> None:
        """Nothing is ever added: commits are pushed by other means."""

    @classmethod
    def load(cls, reference: wire_storage.Storage) -> bytes:
        assert isinstance(reference, wire_storage.GitStorage)
        _check(reference)
        return pace.persistent(lambda: _loaded(reference))

    def _reference(self, commit: str, flow: str) -> wire_storage.GitStorage:
        return wire_storage.GitStorage(
            url=self._url,
            commit=commit,
            path=self._path,
            flow=flow,
            directory=self._directory,
            ref=self._ref,
            username="" if self._username == _USERNAME else self._username,
            token_variable=self._token,
            ssh_key_variable=self._ssh_key,
            host_keys=self._host_keys,
        )

    def _compare(self, content: bytes, file: Path, commit: str) -> None:
        opened = tree.opened(content)
        assert opened is not None
        there = next(each.data for each in opened[1] if each.path == opened[0].path)
        try:
            here = file.read_bytes()
        except OSError:  # such as a file that was typed into a shell
            return
        if here.replace(b"\r\n", b"\n") != there.replace(b"\r\n", b"\n"):
            raise errors.ContentError(
                f"{file} is not what {self._url} has at {commit[:12]}: commit and push it, and then register the flow."
            )


def _check(reference: wire_storage.GitStorage) -> None:
    """A reference comes from the server: it is checked as if it were written by hand. Raises errors.Invalid."""
    Git(
        reference.url,
        reference.path,
        commit=reference.commit,
        directory=reference.directory,
        token_variable=reference.token_variable or None,
        username=reference.username or _USERNAME,
        ssh_key_variable=reference.ssh_key_variable or None,
        host_keys=reference.host_keys,
    )
    if reference.ref:
        found = _FULL_REF.fullmatch(reference.ref)
        if found is None:
            raise errors.Invalid(f"{reference.ref!r} is no branch and no tag.")
        _ref(found[1], None, None)


def _loaded(reference: wire_storage.GitStorage) -> bytes:
    with tempfile.TemporaryDirectory(prefix="headrace-git-") as folder:
        return _content(git_program.Git(Path(folder), reference), reference)


def _content(program: git_program.Git, reference: wire_storage.GitStorage) -> bytes:
    program.fetch(reference.commit, reference.ref)
    below = f"{reference.directory}/" if reference.directory else ""
    files = list(_files(program, reference, below))
    return tree.pack(reference.path.removeprefix(below), reference.flow, reference.commit, files)


def _files(program: git_program.Git, reference: wire_storage.GitStorage, below: str) -> Iterator[tree.File]:
    """Regular files: links may lead anywhere, and sub-modules are other repositories."""
    entries = [
        entry
        for entry in program.entries(reference.commit, reference.directory)
        if entry.mode.startswith("100")
    ]
    if len(entries) > tree.MOST or sum(entry.size for entry in entries) > tree.LARGEST:
        raise errors.ContentError(
            f"{reference.url} has more than {tree.MOST} files or {tree.LARGEST // 2**20} MB at that commit: narrow them with directory=."
        )
    for entry, data in zip(entries, program.blobs([entry.sha for entry in entries]), strict=True):
        yield tree.File(entry.path.removeprefix(below), entry.mode == "100755", data)


def _ref(branch: str | None, tag: str | None, commit: str | None) -> tuple[str, str]:
    """The full name of what was given, and the commit where that was given."""
    given = [
        (name, value)
        for name, value in (("branch", branch), ("tag", tag), ("commit", commit))
        if value is not None
    ]
    if len(given) > 1:
        raise errors.Invalid(
            f"give one of branch, tag and commit, and not {' and '.join(name for name, _ in given)}."
        )
    if commit is not None:
        if not _COMMIT.fullmatch(commit):
            raise errors.Invalid(
                f"commit is {commit!r}; give all 40 digits, as `git rev-parse HEAD` prints them."
            )
        return "", commit
    for name, value in given:
        bad = not value or not _REF.fullmatch(value) or ".." in value or "@{" in value or "//" in value
        if bad or value.endswith(("/", ".", ".lock")) or "/." in value:
            raise errors.Invalid(f"{name} is {value!r}, which is no name that git allows.")
        return f"refs/{'heads' if name == 'branch' else 'tags'}/{value}", ""
    return "", ""


def _checked_url(url: str, with_token: bool) -> str:
    if any(character.isspace() or not character.isprintable() for character in url):
        raise errors.Invalid("the repository's URL has white space in it.")
    if _SCP.fullmatch(url):
        if with_token:
            raise errors.Invalid("token_variable is for https://; over SSH give ssh_key_variable.")
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh"):
        raise errors.Invalid(
            "the repository's URL must begin with https:// or ssh://, or be like git@github.com:acme/flows.git."
        )
    user, _, rest = parts.netloc.rpartition("@")
    host, _, port = (
        rest.partition(":") if not rest.startswith("[") else (rest.partition("]")[0] + "]", "", "")
    )
    if parts.password is not None or (user and parts.scheme != "ssh"):
        raise errors.Invalid(
            "the repository's URL has a credential in it: take it out, and name the environment variable that holds it with token_variable=."
        )
    if not _HOST.fullmatch(host) or (port and not port.isdigit()) or (user and not _USER.fullmatch(user)):
        raise errors.Invalid("the repository's URL names no host.")
    if parts.query or parts.fragment:
        raise errors.Invalid("the repository's URL has a ? or a # in it: take it out.")
    if with_token and (parts.scheme == "ssh" or (parts.scheme == "http" and host not in _LOOPBACK)):
        raise errors.Invalid("token_variable needs https://: a token is not sent where others can read it.")
    return url


def _checked_path(path: str, option: str) -> str:
    parts = path.split("/")
    if any(part in ("", ".", "..", ".git") for part in parts) or not path.isprintable() or "\\" in path:
        raise errors.Invalid(
            f"{option} is {path!r}; give a path inside the repository, such as 'flows/sales.py'."
        )
    return path


def _checked_host_key(key: str) -> str:
    words = " ".join(key.split())
    if not _HOST_KEY.fullmatch(words):
        raise errors.Invalid(
            "a host key is the kind and the key, such as 'ssh-ed25519 AAAA…': what `ssh-keyscan HOST` prints behind the host."
        )
    return words
