"""Signatures: the schemes of a shop, a help desk and a chat, and everything that is none."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sources import NOW_US, SECRET, example

from rapport.clock import from_us
from rapport.errors import SignatureRefused
from rapport.webhooks import sign, verify

BODY = '{"id": 1, "name": "ä"}'.encode()
NOW_S = NOW_US // 1_000_000


def digest(data: bytes, secret: bytes = SECRET) -> bytes:
    return hmac.new(secret, data, hashlib.sha256).digest()


def headers_of(name: str, body: bytes = BODY, secret: bytes = SECRET, signed_s: int = NOW_S) -> dict[str, str]:
    """What each kind of source sends, written out here once more."""
    time = datetime.fromtimestamp(signed_s, UTC).isoformat().replace("+00:00", "Z")
    if name == "shop":
        return {"x-shopify-hmac-sha256": b64encode(digest(body, secret)).decode()}
    if name == "helpdesk":
        signature = b64encode(digest(time.encode() + body, secret)).decode()
        return {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": time}
    signature = "sha256=" + digest(f"{signed_s}.".encode() + body, secret).hex()
    return {"x-chatwoot-signature": signature, "x-chatwoot-timestamp": str(signed_s)}


@pytest.mark.parametrize("name", ["shop", "helpdesk", "chat"])
def test_what_the_source_signed_is_taken(name: str, tmp_path: Path) -> None:
    source = example(name, tmp_path)
    rule = source.mapping.signature
    assert rule is not None
    given = headers_of(name)
    source.verify(given, BODY, NOW_US)
    made = sign(rule, SECRET, BODY, given.get((rule.timestamp_header or "").lower(), ""))
    assert {key.lower(): value for key, value in made.items()} == given
    verify(rule, [b"the old one, which goes", SECRET], given, BODY, NOW_US)


@pytest.mark.parametrize("name", ["shop", "helpdesk", "chat"])
def test_what_it_did_not_sign_is_refused(name: str, tmp_path: Path) -> None:
    source = example(name, tmp_path)

    def refused(headers: dict[str, str], body: bytes = BODY, now_us: int = NOW_US) -> str:
        with pytest.raises(SignatureRefused) as caught:
            source.verify(headers, body, now_us)
        assert SECRET.decode() not in str(caught.value)
        return caught.value.reason

    good = headers_of(name)
    header = next(iter(good))
    assert refused({}) == refused({**good, header: ""}) == "missing_signature"
    assert refused(good, BODY + b" ") == "bad_signature"
    assert refused(headers_of(name, secret=b"another secret, as long")) == "bad_signature"
    for broken in ("x", good[header][:-2], good[header] + "ä", "sha256=", good[header].upper() + "="):
        assert refused({**good, header: broken}) == "bad_signature"


@pytest.mark.parametrize("name", ["helpdesk", "chat"])
def test_a_request_that_is_played_again_later_is_refused(name: str, tmp_path: Path) -> None:
    source = example(name, tmp_path)
    for off_s in (-299, 299):
        source.verify(headers_of(name, signed_s=NOW_S + off_s), BODY, NOW_US)
    for off_s in (-302, 302, 10**9):
        with pytest.raises(SignatureRefused, match="300 s are allowed") as caught:
            source.verify(headers_of(name, signed_s=NOW_S + off_s), BODY, NOW_US)
        assert caught.value.reason == "stale_signature"
    good = headers_of(name)
    time_header = list(good)[1]
    for time in ("", "noon", "2026-04-01T00:00:00", "9" * 400, from_us(NOW_US + 1_000_000).isoformat()):
        with pytest.raises(SignatureRefused):
            source.verify({**good, time_header: time}, BODY, NOW_US)
