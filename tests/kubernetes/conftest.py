"""What the tests with a cluster share. Without one they are skipped, and fail where CI is set."""

import io
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator

import pytest

from kubernetes_yard import Cluster, Yard
from lacking import missing
from stack import TIMING, Make, Stack, make_stack

__all__ = ["make_stack"]

#: Pods reach a server that listens beyond the loopback.
BEYOND = {"HEADRACE_HOST": "0.0.0.0"}
#: A node may take some seconds until it says that a pod has ended.
TIMES = {**TIMING, "lost_after": 60.0}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    kubeconfig = os.environ.get("HEADRACE_TEST_KUBECONFIG", "")
    if not kubeconfig:
        missing("HEADRACE_TEST_KUBECONFIG names no cluster")
    made = Cluster(kubeconfig)
    yield made
    made.close()


@pytest.fixture(scope="session")
def image() -> str:
    name = os.environ.get("HEADRACE_TEST_IMAGE", "")
    if not name:
        missing("HEADRACE_TEST_IMAGE names no image with this Python")
    return name


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, image: str) -> Iterator[Yard]:
    """One for all tests that leave it as it was."""
    stack = Stack(tmp_path_factory.mktemp("shared"), environment=BEYOND, timing=TIMES)
    made = Yard(stack, cluster, image)
    made.write_policy('service_accounts = ["*"]', 'labels = ["team"]')
    made.write_more_templates()
    made.start()
    yield made
    stack.close()


@pytest.fixture
def own_yard(make_stack: Make, image: str) -> Iterator[Yard]:
    """A test's own, in a namespace of its own, not started."""
    kubeconfig = os.environ.get("HEADRACE_TEST_KUBECONFIG", "")
    if not kubeconfig:
        missing("HEADRACE_TEST_KUBECONFIG names no cluster")
    namespace = Cluster(kubeconfig)
    yield Yard(make_stack(environment=BEYOND, timing=TIMES), namespace, image)
    namespace.close()


@pytest.fixture
def foreign_image() -> Iterator[str]:
    """An image whose python3 is a program of another machine, made in the engine under the cluster."""
    if not os.environ.get("DOCKER_HOST"):
        missing("no Docker engine under the cluster can be given an image (DOCKER_HOST)")
    kind = {"x86_64": 183, "aarch64": 62}.get(os.uname().machine, 62)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + kind.to_bytes(2, "little")
    program = head + (1).to_bytes(4, "little") + bytes(40)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in ("bin", "tmp", "proc", "sys", "dev", "etc", "headrace"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/python3")
        entry.mode, entry.size = 0o755, len(program)
        tar.addfile(entry, io.BytesIO(program))
    name = f"local/headrace-test-{uuid.uuid4().hex[:8]}:1"
    command = ["docker", "import", "-c", "ENV PATH=/bin", "-", name]
    subprocess.run(command, input=packed.getvalue(), check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "rmi", "--force", name], check=False, capture_output=True)
