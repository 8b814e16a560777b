"""The service in production, with TLS and an admin port, and credentials of every kind; a module of helpers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from rapport.access import ALL_TENANTS, OF_INSTALLATION, SCOPES, KeyFile, create_key, keys_path, revoke_key
from rapport.testing.certificates import make_certificates
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port

__all__ = ["Guarded"]

ISSUER, AUDIENCE, TENANT = "https://login.shop.example", "rapport", "acme"


class Guarded:
    """The service, clients of its two ports, and what makes credentials.

    Attributes:
        main, admin: clients of the ports.
        keys: the file with the keys.
    """

    def __init__(self, project: Project, env: Mapping[str, str]) -> None:
        folder = project.root
        self.keys = KeyFile(keys_path(project.settings))
        self._private = ed25519.Ed25519PrivateKey.generate()
        self._stranger = ed25519.Ed25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / "issuer.pem").write_bytes(self.public)
        self.key("for the start", [*SCOPES])
        project.settings.data_dir.chmod(0o700)
        self.authority = make_certificates(folder).authority
        self.admin_port = free_port()
        given = {
            "RAPPORT_MODE": "production",
            "RAPPORT_ADMIN_PORT": str(self.admin_port),
            "RAPPORT_TLS_CERT_FILE": "server.pem",
            "RAPPORT_TLS_KEY_FILE": "server.pem",
            "RAPPORT_JWT_ALGORITHM": "EdDSA",
            "RAPPORT_JWT_KEY_FILE": "issuer.pem",
            "RAPPORT_JWT_ISSUER": ISSUER,
            "RAPPORT_JWT_AUDIENCE": AUDIENCE,
            **env,
        }
        self.served = Served(project, given)
        self.served.url = f"https://localhost:{self.served.port}"
        self.served.http = self.main = self._client(self.served.port)
        self.admin = self._client(self.admin_port)

    @property
    def log(self) -> Path:
        return self.served.log

    def key(self, name: str, scopes: list[str], tenant: str = ALL_TENANTS, **more: Any) -> str:
        """A new key's text; the service knows it within a second."""
        return create_key(self.keys, name, scopes, time.time_ns() // 1_000, tenant=tenant, **more)[1]

    def ended_key(self, scopes: list[str], *, revoked: bool) -> str:
        key, text = create_key(self.keys, "ended", scopes, 1_000_000, expires_us=None if revoked else 2_000_000)
        if revoked:
            revoke_key(self.keys, key.id, time.time_ns() // 1_000)
        return text

    def token(self, scope: str, tenant: str | None = ALL_TENANTS, *, stranger: bool = False, **other: Any) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bot", "exp": now + 300, "scope": scope, "tenant": tenant}
        kept = {name: value for name, value in {**claims, **other}.items() if value is not None}
        return jwt.encode(kept, self._stranger if stranger else self._private, "EdDSA")

    def unsigned_token(self, scope: str) -> str:
        claims = jwt.decode(self.token(scope), options={"verify_signature": False})
        return jwt.encode(claims, None, "none")

    def confused_token(self, scope: str) -> str:
        """One that is signed with the public key, as if it were a shared secret."""
        import base64
        import hmac
        import json

        claims = jwt.decode(self.token(scope), options={"verify_signature": False})
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        mac = hmac.digest(self.public, text, "sha256")
        return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()

    def stop(self) -> int:
        self.admin.close()
        return self.served.stop()

    def _client(self, port: int) -> httpx.Client:
        trust = ssl.create_default_context(cafile=self.authority)
        return httpx.Client(base_url=f"https://localhost:{port}", timeout=10, trust_env=False, verify=trust)


def all_but(scope: str) -> list[str]:
    """Every other scope."""
    return [one for one in SCOPES if one != scope]


def is_of_installation(scope: str) -> bool:
    return scope in OF_INSTALLATION
