"""S21: no field of a request that holds a secret is written down."""

import re
import typing
from typing import Any

import msgspec
import pytest

from headrace.wire import accounts, notifications, operations, secrets

_SOUNDS_SECRET = re.compile(r"password|secret|token|^current$|^new$|credential|_key$")
#: Named like a secret, and none: a name of one, at the most.
_HARMLESS = {"idempotency_key", "public_key", "token_variable", "image_pull_secrets"}


def structs(kind: Any, seen: set[Any]) -> typing.Iterator[type[msgspec.Struct]]:
    """The structs in a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen.add(kind)
            yield kind
            for hint in typing.get_type_hints(kind, include_extras=True).values():
                yield from structs(hint, seen)
    else:
        for part in typing.get_args(kind):
            yield from structs(part, seen)


@pytest.mark.parametrize(
    "operation", [one for one in operations.OPERATIONS if one.is_audited], ids=lambda one: one.name
)
def test_a_field_that_sounds_like_a_secret_is_declared_as_one(
    operation: operations.Operation[Any, Any],
) -> None:
    for kind in structs(operation.request, set()):
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            if _SOUNDS_SECRET.search(name) and name not in _HARMLESS:
                assert secrets.is_secret(hint), f"{kind.__name__}.{name} is not a Secret"


def test_secrets_are_masked_wherever_they_are() -> None:
    signing_in = accounts.SignIn(email="a@b.c", password="hunter2")
    assert secrets.redacted(signing_in) == {"email": "a@b.c", "password": "•••", "token": ""}
    channel = notifications.CreateChannel(
        name="ops", target=notifications.Slack(url="https://hooks/T0/secret")
    )
    assert secrets.redacted(channel) == {"name": "ops", "target": {"kind": "slack", "url": "•••"}}
    assert secrets.redacted({"a": [signing_in]})["a"][0]["password"] == "•••"
