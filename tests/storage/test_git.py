"""S17, S21: git gets exactly the words it should, and no credential is where others can read it."""

import base64
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import proxies
import pytest

import git_server
from headrace import errors
from headrace.engine import content as contents
from headrace.flows import flow
from headrace.graph.task import task
from headrace.storage import git_program, kinds, tree
from headrace.storage.git import Git
from headrace.wire.storage import GitStorage

URL = "https://git.example.com/acme/flows.git"
WORDS = ("--upload-pack=touch /tmp/x", "-x", "a b", "a\nb", "$(id)", "`id`", "a;b", "a..b", "@{u}", "a.lock", "/a", "a//b", "", "a^{}", "*", "a:b")  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("option", ["branch", "tag", "commit"])
def test_a_ref_that_is_none_is_refused(option: str, word: str) -> None:
    with pytest.raises(errors.Invalid, match=option):
        Git(URL, "flows/daily.py", **{option: word})


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "file:///srv/flows.git",
        "/srv/flows.git",
        "git://git.example.com/flows.git",
        "https://-oProxyCommand=id/flows.git",
        "ssh://-oProxyCommand=id/flows.git",
        "ssh://git@-oProxyCommand=id/flows.git",
        "-oProxyCommand=id@host:flows.git",
        "git@-oProxyCommand=id:flows.git",
        "git@host:-x",
        "git@host:flows.git --upload-pack=id",
        "https://host/flows.git\n",
        "https://host/flows.git?x=1",
        "https://host:x/flows.git",
        "https:///flows.git",
        "",
    ],
)
def test_a_url_that_is_no_repositorys_is_refused(url: str) -> None:
    with pytest.raises(errors.Invalid):
        Git(url, "flows/daily.py")


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "git@github.com:acme/flows.git",
        "ssh://git@[::1]:2222/flows.git",
        "http://git.lan:3000/acme/flows",
    ],
)
def test_usual_urls_are_taken(url: str) -> None:
    assert Git(url, "flows/daily.py")


@pytest.mark.parametrize("path", ["../daily.py", "/daily.py", "a//b.py", "a/../b.py", ".git/x.py", "a\nb.py", "daily.txt"])  # fmt: skip
def test_a_path_leads_to_a_file_of_the_repository(path: str) -> None:
    with pytest.raises(errors.Invalid, match="path"):
        Git(URL, path)


def test_credentials_are_named_and_not_given() -> None:
    for url in ("https://user:s3cret@host/flows.git", "https://s3cret@host/flows.git"):
        with pytest.raises(errors.Invalid, match="credential in it") as told:
            Git(url, "flows/daily.py")
        assert "s3cret" not in told.value.message
    with pytest.raises(errors.Invalid, match="the name of an environment variable") as told:
        Git(URL, "flows/daily.py", token_variable="ghp_s3cret")
    assert "s3cret" not in told.value.message
    with pytest.raises(errors.Invalid, match="Headrace's own"):
        Git(URL, "flows/daily.py", token_variable="HEADRACE_API_KEY")
    with pytest.raises(errors.Invalid, match="needs https"):
        Git("http://git.example.com/flows.git", "flows/daily.py", token_variable="FLOWS_TOKEN")
    with pytest.raises(ValueError, match="has a password"):
        GitStorage(url="https://user:s3cret@host/flows.git", commit="a" * 40, path="a.py", flow="f")
    with pytest.raises(errors.Invalid, match="a host key is"):
        Git("git@host:flows.git", "a.py", host_keys=["host ssh-ed25519 AAAA"])
    with pytest.raises(errors.Invalid, match="give one of branch, tag and commit"):
        Git(URL, "a.py", branch="main", tag="v1")
    with pytest.raises(errors.Invalid, match="not below the directory"):
        Git(URL, "a.py", directory="flows")


def test_a_reference_is_checked_where_it_is_followed() -> None:
    for changed in (
        {"url": "ext::sh -c id"},
        {"commit": "--all"},
        {"path": "../a.py"},
        {"ref": "refs/heads/../x"},
        {"ref": "--all"},
        {"directory": "../.."},
        {"token_variable": "HEADRACE_API_KEY"},
    ):
        given = {"url": URL, "commit": "a" * 40, "path": "a.py", "flow": "f", **changed}
        with pytest.raises(errors.ContentError, match="cannot be looked for"):
            kinds.load(GitStorage(**given))


# --- with real servers ---


@pytest.fixture
def repository(tmp_path: Path) -> git_server.Repository:
    return git_server.Repository(tmp_path)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[git_server.Http]:
    monkeypatch.setenv("FLOWS_TOKEN", git_server.TOKEN)
    with git_server.over_http(tmp_path) as made:
        yield made


def over_http(server: git_server.Http, **options: str) -> Git:
    return Git(f"{server.url}/flows.git", "flows/daily.py", token_variable="FLOWS_TOKEN", **options)


def files(content: bytes) -> dict[str, bytes]:
    opened = tree.opened(content)
    assert opened is not None
    return {file.path: file.data for file in opened[1]}


def test_the_commit_is_the_one_of_the_registration(
    repository: git_server.Repository, server: git_server.Http
) -> None:
    first = repository.commit({"flows/daily.py": "first"})
    repository.git("tag", "--annotate", "v1", "-m", "v1")
    repository.git("push", "--quiet", "origin", "v1")
    keeper = over_http(server, branch="main")
    content = keeper.content("daily", None)
    reference = keeper.save(content, "", project="p", flow="daily")
    assert (reference.commit, reference.ref) == (first, "refs/heads/main")
    second = repository.commit({"flows/daily.py": "second"})
    repository.commit({"flows/daily.py": "other"}, branch="other")
    assert kinds.load(reference) == content
    assert files(content) == {"flows/daily.py": b"first"}
    for options, there in (
        ({"branch": "main"}, b"second"),
        ({"branch": "other"}, b"other"),
        ({"tag": "v1"}, b"first"),
        ({"commit": second}, b"second"),
        ({}, b"second"),
    ):
        assert files(over_http(server, **options).content("daily", None)) == {"flows/daily.py": there}
    with pytest.raises(errors.ContentMissing, match="has no heads/none"):
        over_http(server, branch="none").content("daily", None)


def test_only_regular_files_go_along_as_they_are(
    repository: git_server.Repository, server: git_server.Http
) -> None:
    work = Path(repository._work)
    (work / "flows").mkdir()
    (work / "flows" / "link.py").symlink_to("/etc/passwd")
    (work / "flows" / "run.sh").write_text("#!/bin/sh\n")
    (work / "flows" / "run.sh").chmod(0o755)
    repository.commit({"flows/daily.py": "x", ".gitattributes": "*.sh text eol=crlf\n", "data/large": "1"})
    content = over_http(server, directory="flows").content("daily", None)
    assert files(content) == {"daily.py": b"x", "run.sh": b"#!/bin/sh\n"}
    assert sorted(files(over_http(server).content("daily", None))) == [
        ".gitattributes",
        "data/large",
        "flows/daily.py",
        "flows/run.sh",
    ]


def test_a_file_that_was_not_pushed_is_told(
    repository: git_server.Repository, server: git_server.Http, tmp_path: Path
) -> None:
    repository.commit({"flows/daily.py": "x = 1\n"})
    here = tmp_path / "daily.py"
    here.write_text("x = 2\n")
    with pytest.raises(errors.ContentError, match="commit and push it"):
        over_http(server).content("daily", str(here))
    here.write_bytes(b"x = 1\r\n")
    assert over_http(server).content("daily", str(here))
    with pytest.raises(errors.ContentMissing, match=r"no file 'flows/nightly\.py'"):
        Git(f"{server.url}/flows.git", "flows/nightly.py", token_variable="FLOWS_TOKEN").content("f", None)


def test_the_token_is_only_in_the_environment_of_git(
    repository: git_server.Repository,
    server: git_server.Http,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.commit({"flows/daily.py": "x"})
    log = tmp_path / "calls"
    real = shutil.which("git")
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" END >> {log}\nexec {real} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_TRACE_CURL", str(tmp_path / "trace"))
    keeper = over_http(server, branch="main")
    reference = keeper.save(keeper.content("daily", None), "", project="p", flow="daily")
    kinds.load(reference)
    said = log.read_text()
    encoded = base64.b64encode(f"x-access-token:{git_server.TOKEN}".encode()).decode()
    assert "ls-remote" in said
    assert git_server.TOKEN not in said
    assert encoded not in said
    assert not (tmp_path / "trace").exists()
    assert f"Basic {encoded}" in {given for _, given in server.seen}
    # what a user wrote comes behind `--`
    calls = [call.split("\n") for call in said.split("END\n") if call]
    for call in calls:
        if f"{server.url}/flows.git" in call:
            assert call.index("--") < call.index(f"{server.url}/flows.git")


def test_git_reads_no_configuration_and_starts_no_program_of_others(
    repository: git_server.Repository,
    server: git_server.Http,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.commit({"flows/daily.py": "x"})
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[credential]\n helper = "!touch {tmp_path}/helped; false"\n'
        f'[url "ext::touch {tmp_path}/rewritten"]\n insteadOf = http://\n'
        f"[core]\n hooksPath = {home}\n fsmonitor = touch {tmp_path}/watched\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_ASKPASS", f"touch {tmp_path}/asked")
    monkeypatch.setenv("FLOWS_TOKEN", "wrong-token")
    with pytest.raises(errors.StorageRefused):
        over_http(server).content("daily", None)
    monkeypatch.setenv("FLOWS_TOKEN", git_server.TOKEN)
    assert over_http(server).content("daily", None)
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"helped", "rewritten", "watched", "asked"}


def test_over_tls_the_certificate_is_checked(
    repository: git_server.Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"flows/daily.py": "x"})
    monkeypatch.setenv("FLOWS_TOKEN", git_server.TOKEN)
    trusted = proxies.certificate(tmp_path)
    with git_server.over_http(tmp_path, trusted.with_suffix(".pem")) as server:
        with pytest.raises(errors.StorageUnreachable, match="certificate"):
            over_http(server).content("daily", None)
        assert server.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert over_http(server).content("daily", None)


def test_a_key_given_by_its_text_lies_only_where_its_owner_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
    monkeypatch.setenv("FLOWS_KEY", text)
    reference = GitStorage(
        url="git@host:flows.git", commit="a" * 40, path="a.py", flow="f", ssh_key_variable="FLOWS_KEY"
    )
    program = git_program.Git(tmp_path, reference)
    assert (tmp_path / "key").read_text() == f"{text}\n"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert "AAAA" not in "".join(program._environment.values())
    monkeypatch.setenv("FLOWS_KEY", str(tmp_path / "none"))
    with pytest.raises(errors.StorageRefused, match="FLOWS_KEY names cannot be read"):
        git_program.Git(tmp_path / "other", reference)


def test_without_git_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.StorageUnreachable, match="the program git is not installed"):
        Git(URL, "flows/daily.py").content("daily", None)


SOURCE = """
from headrace import flow, task
from beside import answer

@task
def ask():
    return answer

@flow
def daily():
    return ask()

@flow
def broken():
    raise RuntimeError("only when it is built")
"""


def test_the_flow_of_the_file_is_found_and_what_lies_beside_it_imported(
    repository: git_server.Repository,
    server: git_server.Http,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    repository.commit({"flows/daily.py": SOURCE, "flows/beside.py": "answer = 42\n"})
    content = over_http(server).content("daily", None)
    assert contents.unpack(content, tmp_path / "source")() == 42
    with pytest.raises(errors.ContentError, match=r"defines no flow 'dayly' \(did you mean 'daily'\?\)"):
        contents.unpack(over_http(server).content("dayly", None), tmp_path / "again")


def test_a_flow_with_git_storage_registers_what_the_repository_has(
    repository: git_server.Repository, server: git_server.Http
) -> None:
    commit = repository.commit({"flows/daily.py": SOURCE})

    @task
    def ask() -> int:
        return 1

    @flow(storage=over_http(server))
    def daily() -> None:
        ask()

    request = daily._registration("p", frozenset(), daily.options.storage)
    assert isinstance(request.storage, GitStorage)
    assert request.storage.commit == commit
    assert request.structure.storage_kind == "git"
    assert request.structure.labels == []
