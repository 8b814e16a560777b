"""The signature of a delivery: HMAC-SHA256 over the time of sending and the body, so that neither can be changed and an
old delivery cannot be passed off as a new one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from rapport.errors import SettingsError

__all__ = ["ID_HEADER", "SIGNATURE_HEADER", "TIME_HEADER", "headers_of", "is_signed", "read_secret"]

ID_HEADER = "Idempotency-Key"
TIME_HEADER = "Rapport-Timestamp"
SIGNATURE_HEADER = "Rapport-Signature"

_SHORTEST = 16
_SCHEME = "v1="


def read_secret(path: Path) -> bytes:
    """The secret in a file, white space at its ends left out.

    Raises:
        SettingsError: the file cannot be read, or the secret is too short. Names no secret.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"RAPPORT_DELIVERY_SECRET_FILE={path} cannot be read: {error.strerror}") from None
    if len(secret) < _SHORTEST:
        raise SettingsError(
            f"RAPPORT_DELIVERY_SECRET_FILE={path} holds {len(secret)} bytes; a secret has at least {_SHORTEST}: "
            "`openssl rand -hex 32` makes a good one"
        )
    return secret


def headers_of(secret: bytes, delivery_id: str, body: bytes, now_s: int) -> dict[str, str]:
    """The headers of a delivery that is sent at a time, seconds since 1970."""
    return {
        "Content-Type": "application/json",
        ID_HEADER: delivery_id,
        TIME_HEADER: str(now_s),
        SIGNATURE_HEADER: _SCHEME + _mac(secret, str(now_s), body),
    }


def is_signed(secret: bytes, headers: Mapping[str, str], body: bytes, now_s: int, *, tolerance_s: int = 300) -> bool:
    """Whether a delivery is signed with the secret, and was sent within `tolerance_s` of now: what a receiver asks.

    Args:
        headers: of the request; names are compared without regard to case.
    """
    given = {name.lower(): value for name, value in headers.items()}
    sent, signature = given.get(TIME_HEADER.lower(), ""), given.get(SIGNATURE_HEADER.lower(), "")
    if not sent.isascii() or not sent.isdecimal() or abs(now_s - int(sent)) > tolerance_s:
        return False
    return hmac.compare_digest(signature.encode(), (_SCHEME + _mac(secret, sent, body)).encode())


def _mac(secret: bytes, sent: str, body: bytes) -> str:
    return hmac.new(secret, sent.encode() + b"." + body, hashlib.sha256).hexdigest()
