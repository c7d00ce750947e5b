"""Tokens: keys and sessions are random and kept as hashes; a run's token is computed and never kept."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal
from uuid import UUID

from headrace import errors, settings

#: What a token begins with says what it is, to people and to secret scanners.
USER_KEY = "hru_"
SERVICE_KEY = "hrs_"
RUN = "hrr_"
#: How much of a key is kept and shown, so that its owner knows it again.
HINT = 9

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: 62⁴³ is the first power above 2²⁵⁶.
_LENGTH = 43
_SHORTEST_SECRET = 16


def new(prefix: Literal["hru_", "hrs_", ""]) -> str:
    """A token with 256 random bits."""
    number = secrets.randbits(256)
    digits: list[str] = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return prefix + "".join(digits)


def digest(token: str) -> bytes:
    """What is kept of a token. It is random enough that a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode()).digest()


def run_token(secret: bytes, run_id: UUID, fence: int) -> str:
    """The token of one attempt of one run. The same arguments give the same token, so that it need not be kept."""
    return f"{RUN}{run_id.hex}_{fence}_{_signed(secret, 'run', f'{run_id.hex}/{fence}')}"


def read_run_token(secret: bytes, token: str) -> tuple[UUID, int] | None:
    """The run and fence that the token is for; None when it is not one of ours."""
    parts = token.split("_")
    if (
        len(parts) != 4
        or len(parts[1]) != 32
        or not (parts[2].isascii() and parts[2].isdigit())
        or len(parts[2]) > 18
    ):
        return None
    try:
        run_id = UUID(hex=parts[1])
    except ValueError:
        return None
    fence = int(parts[2])
    return (
        (run_id, fence)
        if hmac.compare_digest(run_token(secret, run_id, fence).encode(), token.encode())
        else None
    )


def csrf_token(secret: bytes, session_id: UUID) -> str:
    """What a page must send back with requests that change something: another site cannot read it."""
    return _signed(secret, "csrf", session_id.hex)


def derived(secret: bytes, purpose: str, text: str) -> str:
    """64 characters that only this server can make of the text, and always makes again."""
    return _signed(secret, purpose, text)


def load_secret(given: settings.Settings) -> bytes:
    """The server's secret: the setting, else a file under `home` that is made at the first start, for its owner alone."""
    if given.secret_key:
        if len(given.secret_key) < _SHORTEST_SECRET:
            raise errors.SettingsError(
                f"secret_key is too short: it has at least {_SHORTEST_SECRET} random characters"
            )
        return given.secret_key.encode()
    path = given.home / "server" / "secret.key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _read_secret(path)
    except FileNotFoundError:
        _make_secret(path)
        return _read_secret(path)


def _read_secret(path: Path) -> bytes:
    content = path.read_bytes().strip()
    if len(content) < _SHORTEST_SECRET:
        raise errors.SettingsError(f"{path} holds no secret: remove it, and the next start makes a new one")
    return content


def _make_secret(path: Path) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)  # of two first starts at once one wins, and both read the winner's
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _signed(secret: bytes, purpose: str, text: str) -> str:
    return hmac.new(secret, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()
