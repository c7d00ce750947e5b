"""What the tests with a Docker engine share. Without one they are skipped, and fail where CI is set."""

import io
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator

import pytest

from docker_yard import Yard
from headrace.launch.docker.engine import Engine
from lacking import missing
from stack import Make, Stack, make_stack

__all__ = ["make_stack"]

#: Containers reach a server that listens beyond the loopback.
BEYOND = {"HEADRACE_HOST": "0.0.0.0"}


@pytest.fixture(scope="session")
def engine_url() -> str:
    url = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not Engine(url).is_there():
        missing(f"no Docker engine answers at {url}")
    return url


@pytest.fixture(scope="session")
def engine(engine_url: str) -> Engine:
    return Engine(engine_url)


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    name = os.environ.get("HEADRACE_TEST_IMAGE", "")
    if not name:
        missing("HEADRACE_TEST_IMAGE names no image with this Python")
    return name


@pytest.fixture(scope="session")
def yard(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, engine_url: str, image: str
) -> Iterator[Yard]:
    """One for all tests that leave it as it was."""
    stack = Stack(tmp_path_factory.mktemp("shared"), environment=BEYOND)
    made = Yard(stack, engine, engine_url, image)
    made.write_policy(
        f'variables = ["*", "PATH"]\nmounts = ["/no/such", "{stack.folder}/data:ro"]\nmemory = "2Gi"\ncpu = 2'
    )
    made.start()
    yield made
    made.close()
    stack.close()


@pytest.fixture
def own_yard(make_stack: Make, engine: Engine, engine_url: str, image: str) -> Iterator[Yard]:
    """A test's own, not started."""
    made = Yard(make_stack(environment=BEYOND), engine, engine_url, image)
    yield made
    made.close()


@pytest.fixture
def foreign_image() -> Iterator[str]:
    """An image whose python3 is a program of another machine: an ELF head with the wrong number in it."""
    kind = {"x86_64": 183, "aarch64": 62}.get(os.uname().machine, 62)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + kind.to_bytes(2, "little")
    program = head + (1).to_bytes(4, "little") + bytes(40)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in ("bin", "tmp", "proc", "sys", "dev", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/python3")
        entry.mode, entry.size = 0o755, len(program)
        tar.addfile(entry, io.BytesIO(program))
    name = f"local/headrace-test-{uuid.uuid4().hex[:8]}:1"
    subprocess.run(["docker", "import", "-", name], input=packed.getvalue(), check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "rmi", "--force", name], check=True, capture_output=True)
