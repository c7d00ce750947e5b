"""What a test needs and this machine lacks. Where everything has to be checked, nothing is passed over."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips the test and says why; fails it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; CI needs it")
    pytest.skip(what)
