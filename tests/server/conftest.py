"""What tests of the server's nouns share."""

import pytest
from notified import Notified

from running import Server


@pytest.fixture
def told(server: Server) -> Notified:
    return Notified(server)
