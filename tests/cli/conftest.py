"""The command line against a server behind a real port."""

import pytest

from cli_runner import Runner
from http_client import Http


@pytest.fixture
def headrace(http: Http, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs `headrace …` as an administrator."""
    monkeypatch.setenv("HEADRACE_SERVER_URL", http.url)
    monkeypatch.setenv("HEADRACE_API_KEY", http.token("administrator"))
    return Runner()
