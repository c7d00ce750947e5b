"""The warm template: a process that forks, reaps, and ends with whoever started it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import eventually, is_alive
from headrace.launch import directory as run_directory
from headrace.launch.template import Template

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="forks from a template are made on Linux alone"
)


@pytest.fixture
def template() -> Iterator[Template]:
    template = Template({"PATH": os.environ["PATH"]})
    template.start()
    yield template
    template.close()


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_it_forks_supervisors_and_leaves_no_zombie(template: Template, tmp_path: Path) -> None:
    """There is nothing to run in the folder: the supervisor says so and ends."""
    pid = template.fork(tmp_path, {"PATH": "/bin"}, tmp_path)
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert "nothing has been handed over" in (tmp_path / run_directory.OUTPUT).read_text()
    assert (tmp_path / run_directory.OUTPUT).stat().st_mode & 0o777 == 0o600


def test_it_has_one_thread(template: Template, tmp_path: Path) -> None:
    template.fork(tmp_path, {}, tmp_path)
    assert template.pid is not None
    assert _threads(template.pid) == 1


def test_it_starts_again_when_it_was_killed(template: Template, tmp_path: Path) -> None:
    first = template.pid
    assert first is not None
    os.kill(first, 9)
    eventually(lambda: not is_alive(first))
    template.fork(tmp_path, {}, tmp_path)
    assert template.pid != first


def test_it_ends_when_its_user_does(template: Template) -> None:
    pid = template.pid
    assert pid is not None
    template.close()
    assert not is_alive(pid)


def test_a_run_that_needs_another_start_of_python_does_not_fit(template: Template) -> None:
    assert template.fits({"PATH": "/elsewhere", "MINE": "1"})
    assert not template.fits({"PYTHONHASHSEED": "0"})
    assert not template.fits({"LD_PRELOAD": "lib.so"})
