"""TLS of the services: one certificate for all of them, from 1.2 on, with ciphers that keep the past secret."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from rapport.settings import Settings

__all__ = ["CIPHERS", "certificate_problem", "server_context"]

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all of this kind."""


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """What a server of this installation wraps its connections in; None: it has no TLS.

    Raises:
        ssl.SSLError, OSError: certificate and key cannot be used; production does not start with such.
    """
    if not settings.tls_cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.load_cert_chain(settings.root / settings.tls_cert_file, settings.root / settings.tls_key_file)
    return context


def certificate_problem(cert: Path, key: Path, now_s: float) -> str:
    """Why a certificate cannot be served, "" if it can. `now_s`: seconds since 1970."""
    from cryptography import x509

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
        found = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", "") or error
        return f"RAPPORT_TLS_CERT_FILE={cert} with RAPPORT_TLS_KEY_FILE={key} cannot be used: {why}"
    if not found.not_valid_before_utc <= datetime.fromtimestamp(now_s, UTC) < found.not_valid_after_utc:
        return (
            f"RAPPORT_TLS_CERT_FILE={cert} is valid from {found.not_valid_before_utc:%Y-%m-%d} to "
            f"{found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, not now: renew it"
        )
    return ""


def _no_password() -> str:
    """An encrypted key would make OpenSSL ask at the terminal."""
    raise ValueError("the key is encrypted; give it without a password")
