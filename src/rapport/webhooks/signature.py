"""Whether a request is its source's own: the HMAC-SHA256 of its body, compared in constant time."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

from rapport.errors import SignatureRefused
from rapport.webhooks.mapping import Signature

__all__ = ["sign", "verify"]


def sign(rule: Signature, secret: bytes, body: bytes, timestamp: str = "") -> dict[str, str]:
    """The headers that a source would send with a body.

    Args:
        rule: how it signs.
        secret: its secret.
        body: the bytes of the request.
        timestamp: the time of signing, as its header has it; for rules with one.
    """
    digest = _digest(rule, secret, body, timestamp)
    text = b64encode(digest).decode() if rule.encoding == "base64" else digest.hex()
    headers = {rule.header: rule.prefix + text}
    return {**headers, rule.timestamp_header: timestamp} if rule.timestamp_header else headers


def verify(rule: Signature, secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_us: int) -> None:
    """Return if one of the secrets has signed the body, not long ago.

    Args:
        rule: how the source signs.
        secrets: any of these may have signed.
        headers: of the request, by their names in small letters.
        body: the bytes of the request, as they came.
        now_us: system time, microseconds, UTC.

    Raises:
        SignatureRefused: the signature is missing, none, another's, or too old.
    """
    given = headers.get(rule.header.lower())
    if not given:
        raise SignatureRefused("missing_signature", rule.header, "the header is missing; the source must sign")
    timestamp = ""
    if rule.timestamp_header is not None:
        timestamp = headers.get(rule.timestamp_header.lower(), "")
        _check_time(rule, timestamp, now_us)
    wanted = _decoded(rule, given)
    # Every secret is tried, so that the time taken does not tell which one fits.
    fits = [hmac.compare_digest(_digest(rule, secret, body, timestamp), wanted) for secret in secrets]
    if not any(fits):
        raise SignatureRefused(
            "bad_signature",
            rule.header,
            "the signature is not that of this body with the secret that is known here; compare both sides' secrets",
        )


def _digest(rule: Signature, secret: bytes, body: bytes, timestamp: str) -> bytes:
    before = (timestamp + rule.separator).encode() if rule.timestamp_header else b""
    return hmac.new(secret, before + body, hashlib.sha256).digest()


def _decoded(rule: Signature, given: str) -> bytes:
    try:
        if not given.startswith(rule.prefix):
            raise ValueError
        text = given.removeprefix(rule.prefix)
        return b64decode(text, validate=True) if rule.encoding == "base64" else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        allowed = f"{rule.prefix}<{rule.encoding}>"
        raise SignatureRefused("bad_signature", rule.header, f"the header is not of the form {allowed}") from None


def _check_time(rule: Signature, timestamp: str, now_us: int) -> None:
    header = rule.timestamp_header or ""
    try:
        signed_s = float(timestamp) if timestamp.isdecimal() else _seconds(timestamp)
    except (ValueError, OverflowError):
        raise SignatureRefused(
            "bad_signature", header, "the header is not a time: RFC 3339 with an offset, or seconds since 1970"
        ) from None
    off_s = abs(now_us / 1e6 - signed_s)
    if off_s > rule.tolerance_s:
        raise SignatureRefused(
            "stale_signature",
            header,
            f"signed {min(off_s, 1e12):,.0f} s from now; {rule.tolerance_s} s are allowed: compare both sides' clocks",
        )


def _seconds(timestamp: str) -> float:
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment.timestamp()
