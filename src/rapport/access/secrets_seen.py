"""Secrets that anybody would try: words of examples, and what has hardly any variety."""

from __future__ import annotations

__all__ = ["is_weak"]

_WORDS = (b"secret", b"password", b"changeme", b"change-me", b"example", b"default", b"test", b"dev", b"rapport")
_LEAST_DIFFERENT = 8
_LEAST_BESIDE = 12
"""Characters that a secret has besides such words, to be one."""


def is_weak(secret: bytes) -> bool:
    """Whether a secret can be guessed. A random one of 16 bytes or more, as text or not, never is for practical
    purposes."""
    rest = secret.lower()
    for word in _WORDS:
        rest = rest.replace(word, b"")
    return len(rest) < _LEAST_BESIDE or len(set(rest)) < _LEAST_DIFFERENT
