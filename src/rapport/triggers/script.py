"""Some Redis commands as one step, made only when nobody else has made one since: a fence against a second process.

A script and not MULTI: the comparison is made where the data is, in one round trip, and works on a cluster as long as
all keys have one hash tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from rapport.online.connect import reachable

__all__ = ["Command", "Steps"]

Command = tuple[str, str, *tuple[Any, ...]]
"""A command's name, its key, and the other arguments."""

_SCRIPT = """
if ARGV[2] ~= '' and redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return 0 end
if ARGV[1] ~= '' then
  local stored = redis.call('HGET', KEYS[1], 'version') or '0'
  if stored ~= ARGV[1] then return 0 end
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
local at = 3
while at < #ARGV do
  local last = at + 2 + ARGV[at]
  redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, last))
  at = last + 1
end
return 1
"""
"""KEYS: a hash with the field `version`, a hash that has to have a field (or any key), then what the commands need.
ARGV: the expected version ('': any), that field ('': none), then per command: the number of its arguments after the
key, its name, the index of its key, the arguments. Answers 1, or 0 when nothing was done."""


class Steps:
    """Makes steps on the keys of one hash tag.

    Args:
        client: Redis, `decode_responses` off.
        head: the key of the hash whose field `version` counts the fenced steps.
        doing: what is being done, for the error.
    """

    def __init__(self, client: redis.Redis, head: str, doing: str) -> None:
        self._script: Any = client.register_script(_SCRIPT)
        self._head = head
        self._doing = doing

    def make(
        self, commands: Sequence[Command], *, version: int | None = None, while_in: tuple[str, str] | None = None
    ) -> bool:
        """Make all commands, or none: False when the stored version is not the one that is expected, or when the hash
        does not have the field of `while_in` any more.

        Raises:
            StoreUnavailable: whether they were made is not known.
        """
        needed, field = while_in or (self._head, "")
        keys = [self._head, needed]
        indexes = {key: at for at, key in enumerate(keys, 1)}
        arguments: list[Any] = ["" if version is None else version, field]
        for name, key, *rest in commands:
            if key not in indexes:
                keys.append(key)
                indexes[key] = len(keys)
            arguments += (len(rest), name, indexes[key], *rest)
        with reachable(self._doing):
            return bool(self._script(keys=keys, args=arguments))
