"""What tokens are verified with: keys of the one algorithm that is allowed, from a file.

The algorithm is the operator's to say, never the token's: a key that does not belong to it is refused when the file is
read, so that no public key can be taken for the secret of HS256.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rapport.errors import AccessError

__all__ = ["SHORTEST_SECRET", "VerifyingKeys", "load_keys"]

SHORTEST_SECRET = 32
"""Bytes of a secret for HS256: those of its hash (RFC 7518, 3.2)."""
_SHORTEST_RSA = 2_048
_MOST_KEYS = 64

VerifyingKeys = Mapping[str | None, Any]
"""Key id to key. None: the one key that a token without an id is verified with; absent when there are several."""


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


def load_keys(algorithm: str, path: Path) -> VerifyingKeys:
    """The keys in a file: PEM, JWKS, or for HS256 the secret.

    Raises:
        AccessError: it cannot be read, or holds what the algorithm cannot use. Quotes nothing of it.
    """
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise AccessError(f"RAPPORT_JWT_KEY_FILE={path} cannot be read: {error.strerror}") from None
    where = f"RAPPORT_JWT_KEY_FILE={path}"
    if algorithm == "HS256":
        return {None: _secret(content, where)}
    if content.startswith(b"{"):
        return _from_jwks(algorithm, content, where)
    return {None: _fitting(algorithm, _from_pem(content, where), where)}


def _secret(content: bytes, where: str) -> bytes:
    if content.startswith((b"-----", b"{", b"ssh-")):
        raise AccessError(f"{where} holds a key of another kind, not the secret of HS256: set RAPPORT_JWT_ALGORITHM")
    if len(content) < SHORTEST_SECRET:
        raise AccessError(
            f"{where} holds {len(content)} bytes; HS256 takes a secret of at least {SHORTEST_SECRET}: "
            "`openssl rand -hex 32` makes one"
        )
    return content


def _from_pem(content: bytes, where: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in content:
        raise AccessError(f"{where} holds a private key, which is the issuer's alone: put the public one there")
    try:
        return load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise AccessError(f"{where} holds neither a public key as PEM nor a JWKS") from None


def _from_jwks(algorithm: str, content: bytes, where: str) -> VerifyingKeys:
    import jwt

    try:
        given = msgspec.json.decode(content, type=_Jwks).keys
    except msgspec.MsgspecError:
        raise AccessError(f'{where} is no JWKS, as {{"keys": [{{…}}]}}') from None
    found: dict[str | None, Any] = {}
    for place, one in enumerate(given[:_MOST_KEYS]):
        spot = f"{where}, key {place}"
        if "d" in one or "k" in one:
            raise AccessError(f"{spot} holds a secret, which is the issuer's alone: put the public key there")
        if one.get("use", "sig") != "sig" or one.get("alg", algorithm) != algorithm:
            continue
        try:
            key = jwt.PyJWK(one, algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise AccessError(f"{spot} is no key of {algorithm}") from None
        key_id = str(one["kid"]) if "kid" in one else None
        if key_id in found:
            raise AccessError(f"{spot} has the same `kid` as one before it, or both have none")
        found[key_id] = _fitting(algorithm, key, spot)
    if not found:
        raise AccessError(f"{where} holds no key of {algorithm}, the algorithm that RAPPORT_JWT_ALGORITHM says")
    if len(found) == 1:
        found[None] = next(iter(found.values()))
    return found


def _fitting(algorithm: str, key: Any, where: str) -> Any:
    """The key, if it is one of the algorithm and strong enough."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    fits = {
        "EdDSA": isinstance(key, ed25519.Ed25519PublicKey),
        "ES256": isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1),
        "RS256": isinstance(key, rsa.RSAPublicKey),
    }[algorithm]
    if not fits:
        wanted = {"EdDSA": "Ed25519", "ES256": "P-256", "RS256": "RSA"}[algorithm]
        raise AccessError(f"{where} is no public key of {wanted}, which {algorithm} takes")
    if algorithm == "RS256" and key.key_size < _SHORTEST_RSA:
        raise AccessError(f"{where} has {key.key_size} bits; RSA keys of {_SHORTEST_RSA} or more are taken")
    return key
