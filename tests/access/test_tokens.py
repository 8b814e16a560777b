"""Tokens: one issuer, one algorithm, and nothing that a token says of itself is believed before it is verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rapport.access.refused import expired
from rapport.access.token_keys import load_keys
from rapport.access.tokens import TokenRules, Tokens
from rapport.errors import AccessError
from rapport.intake.refusal import Refusal

ISSUER, AUDIENCE = "https://login.shop.example", "rapport"
SECRET = "4fV9x2QmZ7pLr8KdWc3NbT6yHs1JgE5a"
PRIVATE: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65_537, 2_048),
}


def pem_of(private: Any) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bot", "exp": now + 300, "tenant": "*", "scope": "decide x"}
    return {name: value for name, value in {**given, **other}.items() if value is not None}


def signed(algorithm: str, key: Any = None, headers: dict[str, Any] | None = None, **other: Any) -> str:
    return jwt.encode(claims(**other), key or PRIVATE.get(algorithm) or SECRET, algorithm, headers)


def tokens(algorithm: str, content: bytes, folder: Path) -> Tokens:
    path = folder / "key"
    path.write_bytes(content)
    rules = TokenRules(algorithm, ISSUER, AUDIENCE, "tenant", 5, 100)
    return Tokens(rules, load_keys(algorithm, path))


def refused(checker: Tokens, token: str, reason: str = "bad_credential") -> None:
    with pytest.raises(Refusal) as caught:
        checker.check(token, time.time())
    assert (caught.value.status, caught.value.reason) == (401, reason)


def content_of(algorithm: str) -> bytes:
    return SECRET.encode() if algorithm == "HS256" else pem_of(PRIVATE[algorithm])


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "HS256"])
def test_a_right_token_of_each_algorithm_and_of_no_other(tmp_path: Path, algorithm: str) -> None:
    checker = tokens(algorithm, content_of(algorithm), tmp_path)
    token = signed(algorithm)
    for _ in range(2):
        caller = checker.check(token, time.time())
        assert (caller.name, caller.scopes, caller.tenant) == ("token:bot", {"decide"}, "")
    for other in {*PRIVATE, "HS256"} - {algorithm}:
        refused(checker, signed(other))
    head, _, signature = token.split(".")
    for body in (claims(sub="root"), claims(scope="admin")):
        text = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=").decode()
        refused(checker, f"{head}.{text}.{signature}")


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "HS256"])
def test_unsigned_and_confused_tokens(tmp_path: Path, algorithm: str) -> None:
    checker = tokens(algorithm, content_of(algorithm), tmp_path)
    refused(checker, jwt.encode(claims(), None, "none"))
    for name in ("none", "None", "nOnE", "", "HS256", "HS512", algorithm):
        refused(checker, _by_hand({"alg": name, "typ": "JWT"}, b""))
        # the public key, which anybody has, as the secret of an HMAC
        refused(checker, _by_hand({"alg": name}, pem_of(PRIVATE["RS256"])))
    refused(checker, _by_hand({"alg": "HS256"}, pem_of(PRIVATE["RS256"]).strip()))
    refused(checker, _by_hand({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, b"\0\0\0"))
    refused(checker, _by_hand({}, SECRET.encode()))


def _by_hand(header: dict[str, Any], secret: bytes) -> str:
    """A token that no library would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())]
    text = b".".join(parts)
    mac = hmac.digest(secret, text, hashlib.sha256) if secret else b""
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    "other",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another service"},
        {"aud": ["a", "b"]},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"nbf": int(time.time()) + 3_600},
        {"iat": int(time.time()) + 3_600},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": ["*"]},
        {"tenant": "Not A Name"},
        {"scope": 7},
    ],
)
def test_claims_that_are_not_right(tmp_path: Path, other: dict[str, Any]) -> None:
    refused(tokens("EdDSA", content_of("EdDSA"), tmp_path), signed("EdDSA", **other))


def test_times_have_a_leeway_and_end_also_for_a_token_that_was_seen(tmp_path: Path) -> None:
    checker = tokens("EdDSA", content_of("EdDSA"), tmp_path)
    now = time.time()
    refused(checker, signed("EdDSA", exp=int(now) - 60), "expired_credential")
    assert checker.check(signed("EdDSA", exp=int(now) - 2, nbf=int(now) + 2), now)
    token = signed("EdDSA", exp=int(now) + 100)
    assert checker.check(token, now) and checker.check(token, now + 104)
    with pytest.raises(Refusal) as caught:
        checker.check(token, now + 106)
    assert caught.value.reason == expired("token").reason


def test_a_tenants_token_and_scopes_as_a_list(tmp_path: Path) -> None:
    checker = tokens("EdDSA", content_of("EdDSA"), tmp_path)
    caller = checker.check(signed("EdDSA", tenant="shop", scope=["decide", "admin", "other"]), time.time())
    assert caller.tenant == "shop" and caller.scopes == {"decide", "admin"}
    assert caller.owns("shop:1") and not caller.owns("shop2:1") and not caller.owns("1")
    with pytest.raises(Refusal) as caught:
        caller.require_scope("admin")
    assert (caught.value.status, caught.value.reason) == (403, "wrong_tenant")


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 9_000, "é.é.é", "eyJhbGciOiJFZERTQSJ9..", "null.null.null"]
)
def test_what_is_no_token(tmp_path: Path, token: str) -> None:
    refused(tokens("EdDSA", content_of("EdDSA"), tmp_path), token)


def test_a_header_that_must_be_understood_is_not(tmp_path: Path) -> None:
    refused(tokens("EdDSA", content_of("EdDSA"), tmp_path), signed("EdDSA", headers={"crit": ["exp2"], "exp2": 1}))


def jwk_of(private: Any, **more: Any) -> dict[str, Any]:
    kinds = {ed25519.Ed25519PrivateKey: "EdDSA", ec.EllipticCurvePrivateKey: "ES256", rsa.RSAPrivateKey: "RS256"}
    algorithm = next(name for kind, name in kinds.items() if isinstance(private, kind))
    made: Any = jwt.get_algorithm_by_name(algorithm)
    return {**json.loads(made.to_jwk(private.public_key())), **more}


def test_keys_by_id(tmp_path: Path) -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    keys = [jwk_of(old, kid="a"), jwk_of(new, kid="b", alg="ES256", use="sig"), jwk_of(old, kid="c", use="enc")]
    checker = tokens(
        "ES256", json.dumps({"keys": [*keys, jwk_of(PRIVATE["RS256"], kid="d", alg="RS256")]}).encode(), tmp_path
    )
    assert checker.check(signed("ES256", old, {"kid": "a"}), time.time())
    assert checker.check(signed("ES256", new, {"kid": "b"}), time.time())
    for key, kid in ((old, "b"), (new, "a"), (old, "c"), (old, "d"), (old, "../a"), (old, None)):
        refused(checker, signed("ES256", key, {"kid": kid} if kid else None))


@pytest.mark.parametrize(
    ("algorithm", "content", "said"),
    [
        ("HS256", b"short", "holds 5 bytes; HS256 takes a secret of at least 32"),
        ("HS256", pem_of(PRIVATE["RS256"]), "holds a key of another kind"),
        ("EdDSA", b"", "neither a public key as PEM nor a JWKS"),
        ("EdDSA", pem_of(PRIVATE["ES256"]), "is no public key of Ed25519"),
        ("ES256", pem_of(ec.generate_private_key(ec.SECP384R1())), "is no public key of P-256"),
        ("RS256", pem_of(PRIVATE["EdDSA"]), "is no public key of RSA"),
        ("RS256", pem_of(rsa.generate_private_key(65_537, 1_024)), "has 1024 bits"),
        ("RS256", b'{"keys": []}', "holds no key of RS256"),
        ("RS256", b'{"keys": 1}', "is no JWKS"),
        ("RS256", json.dumps({"keys": [{"kty": "oct", "k": "AAAA"}]}).encode(), "holds a secret"),
        ("ES256", json.dumps({"keys": [jwk_of(PRIVATE["ES256"])] * 2}).encode(), "the same `kid`"),
        ("ES256", json.dumps({"keys": [jwk_of(PRIVATE["RS256"])]}).encode(), "is no key of ES256"),
    ],
    # The keys are made anew by each process, and all of them have to give a test the same name.
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_key_files_that_are_refused(tmp_path: Path, algorithm: str, content: bytes, said: str) -> None:
    with pytest.raises(AccessError, match=said):
        tokens(algorithm, content, tmp_path)


def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    private = PRIVATE["ES256"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(AccessError, match="private key, which is the issuer's alone") as caught:
        tokens("ES256", private, tmp_path)
    assert private.splitlines()[1].decode() not in str(caught.value)
    with pytest.raises(AccessError, match="cannot be read: No such file"):
        load_keys("ES256", tmp_path / "none")
