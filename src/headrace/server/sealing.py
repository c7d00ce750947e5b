"""Secrets that the server must be able to use again are encrypted where they are kept: AES-GCM under a key made from the
server's secret, bound to the row they belong to.
"""

import hmac
import os
from typing import TYPE_CHECKING
from uuid import UUID

from headrace import errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: The first byte says how the rest is made.
_FORM = b"\x01"
_NONCE = 12
_PURPOSE = b"headrace: secrets at rest, AES-256-GCM\x01"


def seal(secret: bytes, about: UUID, plain: bytes) -> bytes:
    """The bytes encrypted; they can be read only together with the id they are about."""
    aead, _ = _cipher(secret)
    nonce = os.urandom(_NONCE)
    return _FORM + nonce + aead.encrypt(nonce, plain, _bound(about))


def unseal(secret: bytes, about: UUID, sealed: bytes) -> bytes:
    """What was sealed. Raises errors.Conflict when it was sealed under another secret, or about something else."""
    aead, invalid_tag = _cipher(secret)
    nonce, content = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    try:
        return aead.decrypt(nonce, content, _bound(about))
    except (invalid_tag, ValueError):
        raise errors.Conflict(
            "its secrets were encrypted under another secret_key and cannot be read: set them again"
        ) from None


def _bound(about: UUID) -> bytes:
    """What is not encrypted and cannot be changed all the same."""
    return _FORM + about.bytes


def _key(secret: bytes) -> bytes:
    """HKDF with SHA-256: extract, then expand to one block."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, _PURPOSE, "sha256")


def _cipher(secret: bytes) -> tuple["AESGCM", type[Exception]]:
    """Imported here: it costs 20 ms, and few servers have a secret to keep."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_key(secret)), InvalidTag
