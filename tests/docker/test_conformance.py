"""C21, R6: the launches that every launcher does, in containers."""

import pytest

from docker_yard import Yard
from launcher_conformance import Launches


@pytest.fixture
def ground(yard: Yard) -> Yard:
    return yard


class TestContainers(Launches):
    """In containers of a Docker engine."""
