"""Bytes made hostile: cut off, flipped, lengthened, nested, with numbers and texts that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

__all__ = ["mutate"]

Mutation: TypeAlias = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

_HUGE = [
    b"\xff" * 9 + b"\x01",
    b"\xfe" * 9 + b"\x01",
    b"\xff" * 30,
    b"\x80" * 20 + b"\x01",
    b"\x80\x80\x80\x80\x08",
    b"\x01",
    b"\xfe\xff\xff\xff\x0f",
]
"""Varints that are too large, negative, or too long."""
_TEXTS = [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\x00", b"\xf4\x90\x80\x80", b"\x7f", "\u202e\u0000".encode()]
"""Bytes that are no UTF-8, and characters that are no text."""
_NUMBERS = [
    b"1e999",
    b"-0",
    b"9" * 400,
    b"1e-999999999",
    b"NaN",
    b"-Infinity",
    b"0x10",
    b"1.0000000000000000000001",
    b"true",
]
_NESTED = [b"[" * 3_000, b'{"a":' * 2_000, b"\x0b" * 2_000, b"\x0a\x7e" * 500, b"[" * 900 + b"]" * 900]
_RARE = 0.02
"""Share of events that get something long; each takes as long as a hundred others."""


def mutate(rng: random.Random, value: bytes, others: Sequence[bytes]) -> bytes:
    """A value with up to four things wrong with it, often none that matters."""
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 4))):
        value = rng.choice(_MUTATIONS)(rng, value, others)
    return _put(rng, value, rng.choice(_NESTED)) if rng.random() < _RARE else value


def _put(rng: random.Random, value: bytes, what: bytes) -> bytes:
    at = rng.randrange(len(value) + 1)
    return value[:at] + what + value[at + rng.choice((0, 0, 1, len(what))) :]


def _flip(rng: random.Random, value: bytes, _others: Sequence[bytes]) -> bytes:
    if not value:
        return value
    at = rng.randrange(len(value))
    return value[:at] + bytes((value[at] ^ (1 << rng.randrange(8)),)) + value[at + 1 :]


def _cut(rng: random.Random, value: bytes, _others: Sequence[bytes]) -> bytes:
    return value[: rng.randrange(len(value) + 1)]


def _drop(rng: random.Random, value: bytes, _others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(value) + 1)
    return value[:at] + value[at + rng.randrange(1, 9) :]


def _splice(rng: random.Random, value: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return value[: rng.randrange(len(value) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeat(rng: random.Random, value: bytes, _others: Sequence[bytes]) -> bytes:
    at, size = rng.randrange(len(value) + 1), rng.randrange(1, 20)
    return value[:at] + value[at : at + size] * rng.choice((2, 3, 50)) + value[at + size :]


def _noise(rng: random.Random, value: bytes, _others: Sequence[bytes]) -> bytes:
    return _put(rng, value, rng.randbytes(rng.randrange(1, 12)))


def _from(pieces: Sequence[bytes]) -> Mutation:
    return lambda rng, value, _others: _put(rng, value, rng.choice(pieces))


_MUTATIONS: tuple[Mutation, ...] = (
    _flip, _flip, _cut, _drop, _splice, _repeat, _noise, _from(_HUGE), _from(_TEXTS), _from(_NUMBERS),
)  # fmt: skip
