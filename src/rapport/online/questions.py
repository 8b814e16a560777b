"""What a read asks Redis: commands whose unchanging bytes are packed once, when the reader is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["HashFields", "Hashes", "Question", "Reply", "Stored"]

Reply = Sequence[bytes | None]
"""The values of the fields asked for, in order; None where a hash has no such field."""


class Question(Protocol):
    """Some commands, and how many answers they get."""

    @property
    def count(self) -> int: ...

    def packed(self) -> bytes:
        """The commands in Redis's protocol."""
        ...

    def commands(self) -> list[tuple[str | bytes, ...]]:
        """The commands' words, for a client that packs and routes them itself."""
        ...


class HashFields:
    """Fields to read, of hashes that are named later."""

    def __init__(self, fields: Sequence[bytes]) -> None:
        self.fields = tuple(fields)
        self._head = b"*%d\r\n$5\r\nHMGET\r\n$" % (len(self.fields) + 2)
        self._tail = b"\r\n" + b"".join([b"$%d\r\n%b\r\n" % (len(field), field) for field in self.fields])

    def of(self, keys: Sequence[bytes]) -> Hashes:
        return Hashes(self, keys)

    def packed(self, keys: Sequence[bytes]) -> bytes:
        head, tail = self._head, self._tail
        return b"".join([b"%b%d\r\n%b%b" % (head, len(key), key, tail) for key in keys])


class Hashes:
    """The fields of some hashes: a Reply for each."""

    __slots__ = ("_fields", "_keys", "count")

    def __init__(self, fields: HashFields, keys: Sequence[bytes]) -> None:
        self._fields = fields
        self._keys = keys
        self.count = len(keys)

    def packed(self) -> bytes:
        return self._fields.packed(self._keys)

    def commands(self) -> list[tuple[str | bytes, ...]]:
        return [("HMGET", key, *self._fields.fields) for key in self._keys]


class Stored:
    """The value of one key: bytes, or None."""

    __slots__ = ("_key", "count")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.count = 1

    def packed(self) -> bytes:
        return b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(self._key), self._key)

    def commands(self) -> list[tuple[str | bytes, ...]]:
        return [("GET", self._key)]
