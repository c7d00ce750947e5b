"""What every launcher must do."""

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agents import eventually
from headrace import errors, launch
from headrace.launch import process

NOW = timedelta(seconds=10)


@pytest.fixture(params=["process"])
def launcher(request: pytest.FixtureRequest) -> Iterator[process.ProcessLauncher]:
    launcher = process.ProcessLauncher()
    yield launcher
    launcher.close()


def _workload(folder: Path, script: str, name: str = "one", working: Path | None = None) -> launch.Workload:
    return launch.Workload(
        name=name,
        command=(sys.executable, "-c", script),
        directory=folder / name,
        environment={"ONLY": "this"},
        working_directory=working or folder,
        files={"given": b"content"},
    )


def _start(launcher: launch.Launcher, workload: launch.Workload) -> list[launch.LaunchState]:
    return list(launcher.start(workload))


WAITS = "import signal; signal.signal(15, lambda *_: exit(0)); open('up', 'w').close(); signal.pause()"
DEAF = "import signal; signal.signal(15, signal.SIG_IGN); open('up', 'w').close()\nwhile True: signal.pause()"


def test_a_workload_gets_its_files_its_environment_and_its_place(
    launcher: process.ProcessLauncher, tmp_path: Path
) -> None:
    script = "import os; open('seen.draft', 'w').write(repr((dict(os.environ), open('one/given').read()))); os.rename('seen.draft', 'seen')"
    state = _start(launcher, _workload(tmp_path, script))[-1]
    eventually((tmp_path / "seen").exists)
    environment, content = eval((tmp_path / "seen").read_text())
    assert environment["ONLY"] == "this"
    assert "HOME" not in environment
    assert content == "content"
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "one" / "given").stat().st_mode & 0o777 == 0o600
    launcher.stop(state, NOW)


def test_the_first_state_comes_before_the_workload_runs(
    launcher: process.ProcessLauncher, tmp_path: Path
) -> None:
    starting = launcher.start(_workload(tmp_path, WAITS))
    state = next(starting)
    assert launcher.observe(state).phase is not launch.Phase.RUNNING
    starting.close()
    launcher.stop(state, NOW)
    launcher.forget(state)
    assert not (tmp_path / "one").exists()
    assert not (tmp_path / "up").exists()


def test_another_launcher_finds_it_by_its_state(launcher: process.ProcessLauncher, tmp_path: Path) -> None:
    state = _start(launcher, _workload(tmp_path, WAITS))[-1]
    eventually((tmp_path / "up").exists)
    other = process.ProcessLauncher()
    assert other.observe(state).phase is launch.Phase.RUNNING
    launcher.stop(state, NOW)
    assert other.observe(state).phase is launch.Phase.GONE


@pytest.mark.parametrize(("script", "grace"), [(WAITS, 10.0), (DEAF, 0.3)], ids=["willing", "deaf"])
def test_stopping_returns_when_it_has_ended(
    launcher: process.ProcessLauncher, tmp_path: Path, script: str, grace: float
) -> None:
    state = _start(launcher, _workload(tmp_path, script))[-1]
    eventually((tmp_path / "up").exists)
    launcher.stop(state, timedelta(seconds=grace))
    assert launcher.observe(state).phase is launch.Phase.GONE
    launcher.stop(state, timedelta(seconds=grace))
    launcher.forget(state)
    launcher.forget(state)
    assert not (tmp_path / "one").exists()


def test_the_same_workload_is_not_started_twice(launcher: process.ProcessLauncher, tmp_path: Path) -> None:
    state = _start(launcher, _workload(tmp_path, WAITS))[-1]
    with pytest.raises(errors.LaunchError, match="launched twice"):
        _start(launcher, _workload(tmp_path, WAITS))
    assert launcher.observe(state).phase is launch.Phase.RUNNING
    launcher.stop(state, NOW)


def test_a_missing_working_directory_is_named(launcher: process.ProcessLauncher, tmp_path: Path) -> None:
    with pytest.raises(errors.LaunchError, match="nowhere does not exist"):
        _start(launcher, _workload(tmp_path, WAITS, working=tmp_path / "nowhere"))
    assert not (tmp_path / "one").exists()


def test_a_program_that_is_not_there_is_told_in_words(
    launcher: process.ProcessLauncher, tmp_path: Path
) -> None:
    workload = launch.Workload("one", ("/no/such/program",), tmp_path / "one", {}, tmp_path)
    with pytest.raises(errors.LaunchError, match="/no/such/program"):
        _start(launcher, workload)


def test_a_file_outside_of_the_directory_is_refused(
    launcher: process.ProcessLauncher, tmp_path: Path
) -> None:
    workload = launch.Workload("one", ("true",), tmp_path / "one", {}, tmp_path, {"../out": b""})
    with pytest.raises(errors.LaunchError, match="outside"):
        _start(launcher, workload)
    assert not (tmp_path / "out").exists()


def test_a_pid_that_was_given_again_is_not_mistaken(
    launcher: process.ProcessLauncher, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    stale = launch.LaunchState("local", "one", str(tmp_path / "one"), {"pid": os.getpid(), "started": 1.0})
    assert launcher.pid(stale) is None
    assert launcher.observe(stale).phase is launch.Phase.GONE
