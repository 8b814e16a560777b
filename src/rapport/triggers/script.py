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
if ARGV[1] ~= '' then
  local stored = redis.call('HGET', KEYS[1], 'version') or '0'
  if stored ~= ARGV[1] then return 0 end
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
local at = 2
while at < #ARGV do
  local last = at + 2 + ARGV[at]
  redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, last))
  at = last + 1
end
return 1
"""
"""KEYS: a hash with the field `version`, then what the commands need. ARGV: the expected version ('': any), then per
command: the number of its arguments after the key, its name, the index of its key, the arguments."""


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

    def make(self, commands: Sequence[Command], version: int | None = None) -> bool:
        """Make all commands, or none: False when the stored version is not the one that is expected.

        Raises:
            StoreUnavailable: whether they were made is not known.
        """
        keys = {self._head: 1}
        arguments: list[Any] = ["" if version is None else version]
        for name, key, *rest in commands:
            arguments += (len(rest), name, keys.setdefault(key, len(keys) + 1), *rest)
        with reachable(self._doing):
            return bool(self._script(keys=list(keys), args=arguments))
