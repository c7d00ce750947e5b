"""Installations of real processes, for what only shows from the outside; an identity provider, and a browser that goes there."""

from collections.abc import Iterator

import pytest
from oidc_visitor import Visitor, set_up

from http_client import Http
from oidc_provider import Provider
from stack import make_stack

__all__ = ["make_stack"]


@pytest.fixture
def provider(http: Http) -> Iterator[Provider]:
    provider = Provider(lambda: http.server.clock.now.timestamp())
    yield provider
    provider.close()


@pytest.fixture
def visitor(http: Http, provider: Provider) -> Visitor:
    set_up(http, provider)
    return Visitor(http)
