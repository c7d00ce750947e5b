"""The first start, and what `headrace up` needs of its server: the link that signs in, keys for the agent and the user."""

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from headrace.server import accounts, keys
from headrace.web.handlers import Call

log = logging.getLogger(__name__)

#: The names of the keys that each start makes anew.
AGENT_KEY, USER_KEY = "headrace up", "headrace up on this machine"


class Local(msgspec.Struct, frozen=True):
    """Written for this machine alone, at each start. Older keys are dead then, but for those that the file has already."""

    start_url: str
    agent_key: str
    user_key: str


def provision(call: Call[Any], before: Local | None = None) -> Local:
    """A link for the first administrator, an agent's key and a user's key, instead of those of the last start.

    Keys of `before` that are valid stay: who was given them goes on when the server alone is started again.
    """
    begun = accounts.ensure_first_administrator(call)
    user_id = begun.user_id if begun else accounts.first_administrator(call)
    token = begun.token if begun else accounts.make_start_link(call, user_id)
    agent = accounts.ensure_local_agent(call)
    return Local(
        start_url=start_url(call, token),
        agent_key=keys.replace(
            call, AGENT_KEY, keep=before.agent_key if before else "", service_account_id=agent
        ),
        user_key=keys.replace(call, USER_KEY, keep=before.user_key if before else "", user_id=user_id),
    )


def first_link(call: Call[Any]) -> str | None:
    """The link that signs the first administrator in; None where there is a user already."""
    begun = accounts.ensure_first_administrator(call)
    return None if begun is None else start_url(call, begun.token)


def start_url(call: Call[Any], token: str) -> str:
    return f"{call.service.settings.url}/start?token={token}"


def read(path: Path) -> Local | None:
    """What an earlier start has left there; None where there is nothing, or nothing whole."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Local)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, local: Local) -> None:
    """Whole or not at all, for the owner only."""
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(local))
    draft.replace(path)
