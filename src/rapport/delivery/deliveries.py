"""Deliveries in Redis: what waits to be sent, what failed, and what became of the last ones.

| key, behind `{rapport:delivery}:` | what |
|---|---|
| `places` | hash: partition of the topic `triggers` to the position up to which its firings are in here |
| `waiting` | hash: firing's id to the delivery, in JSON |
| `due` | sorted set of these ids by the system's time of the next try, milliseconds |
| `failed` | hash: firing's id to a delivery that was tried often enough |
| `log` | stream of the last tries: id, trigger, status, try |
| `counts` | hash: `delivered`, `failed`, `tries` |

All of one step is written by one script. Times are the system's: a receiver does not live in a simulated world.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from rapport.bus.protocol import START, Position
from rapport.bus.redis_reader import parse_id, to_id
from rapport.online.connect import reachable
from rapport.triggers.firing import Firing
from rapport.triggers.script import Command, Steps

__all__ = ["Deliveries", "Delivery", "Try"]

_PREFIX = "{rapport:delivery}:"
_HEAD, _PLACES, _WAITING, _DUE, _FAILED, _LOG, _COUNTS = (
    _PREFIX + name for name in ("head", "places", "waiting", "due", "failed", "log", "counts")
)
_DOING = "keeping the webhook's deliveries"
_LOG_LENGTH = 1_000

_TAKE = """
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
local taken = {}
for _, id in ipairs(found) do
  local data = redis.call('HGET', KEYS[2], id)
  if data then
    redis.call('ZADD', KEYS[1], ARGV[2], id)
    taken[#taken + 1] = data
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return taken
"""
"""Takes what is due and puts it off, so that nobody else sends it meanwhile. KEYS: due, waiting. ARGV: now, when it may
be taken again if nothing is heard of it, how many at most."""


class Delivery(msgspec.Struct, frozen=True):
    """A firing on its way. Times of the system, milliseconds."""

    id: str
    trigger: str
    body: str
    """The firing as it is on the topic, base64: the same bytes at each try."""
    since_ms: int
    tries: int = 0
    status: str = ""
    """What the last try met: an HTTP status, or an error."""

    @property
    def content(self) -> bytes:
        """The bytes to send."""
        return b64decode(self.body)

    @property
    def customer(self) -> str:
        """Whom the firing is about."""
        return msgspec.json.decode(self.content, type=Firing).customer_id


class Try(NamedTuple):
    """One line of the log: a try, and what it met."""

    at_ms: int
    id: str
    trigger: str
    number: int
    status: str


_deliveries = msgspec.json.Decoder(Delivery)


class Deliveries:
    """The state of all deliveries. Every method raises StoreUnavailable when Redis does not answer.

    Args:
        client: the online store's Redis, `decode_responses` off, with a timeout.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._steps = Steps(client, _HEAD, _DOING)
        self._take = client.register_script(_TAKE)

    def place(self, partition: int) -> Position:
        """The position up to which a partition's firings are in here."""
        with reachable(_DOING):
            found = self._redis.hget(_PLACES, str(partition))
        return parse_id(found) if found else START

    def add(self, firings: Sequence[tuple[str, str, bytes]], partition: int, position: Position, now_ms: int) -> None:
        """New firings (id, trigger, body), to be sent at once, and the position that they bring a partition to."""
        commands: list[Command] = []
        for firing_id, trigger, body in firings:
            delivery = Delivery(firing_id, trigger, b64encode(body).decode(), now_ms)
            commands.append(("HSETNX", _WAITING, firing_id, msgspec.json.encode(delivery)))
            commands.append(("ZADD", _DUE, "NX", now_ms, firing_id))
        self._steps.make([*commands, ("HSET", _PLACES, partition, to_id(position))])

    def take(self, now_ms: int, again_ms: int, limit: int) -> list[Delivery]:
        """What is due, at most `limit`; others may take it again at `again_ms`."""
        with reachable(_DOING):
            found = self._take(keys=[_DUE, _WAITING], args=[now_ms, again_ms, limit])
        return [_deliveries.decode(data) for data in found]

    def delivered(self, delivery: Delivery, status: str, now_ms: int) -> None:
        """The receiver has it. As the others: nothing is done when somebody else has settled it meanwhile."""
        self._steps.make(
            [
                ("HDEL", _WAITING, delivery.id),
                ("ZREM", _DUE, delivery.id),
                ("HINCRBY", _COUNTS, "delivered", 1),
                *_tried(delivery, status, now_ms),
            ],
            while_in=(_WAITING, delivery.id),
        )

    def put_off(self, delivery: Delivery, status: str, now_ms: int, next_ms: int) -> None:
        """A try met something else than success; the next one is at `next_ms`."""
        tried = msgspec.structs.replace(delivery, tries=delivery.tries + 1, status=status)
        self._steps.make(
            [
                ("HSET", _WAITING, delivery.id, msgspec.json.encode(tried)),
                ("ZADD", _DUE, next_ms, delivery.id),
                *_tried(delivery, status, now_ms),
            ],
            while_in=(_WAITING, delivery.id),
        )

    def failed(self, delivery: Delivery, status: str, now_ms: int) -> None:
        """That was the last try."""
        tried = msgspec.structs.replace(delivery, tries=delivery.tries + 1, status=status)
        self._steps.make(
            [
                ("HDEL", _WAITING, delivery.id),
                ("ZREM", _DUE, delivery.id),
                ("HSET", _FAILED, delivery.id, msgspec.json.encode(tried)),
                ("HINCRBY", _COUNTS, "failed", 1),
                *_tried(delivery, status, now_ms),
            ],
            while_in=(_WAITING, delivery.id),
        )

    def retry_failed(self, now_ms: int) -> int:
        """Send what failed again, with all its tries; returns how many."""
        failed = self.all_failed()
        for delivery in failed:
            anew = msgspec.structs.replace(delivery, tries=0)
            self._steps.make(
                [
                    ("HDEL", _FAILED, delivery.id),
                    ("HSET", _WAITING, delivery.id, msgspec.json.encode(anew)),
                    ("ZADD", _DUE, now_ms, delivery.id),
                ],
                while_in=(_FAILED, delivery.id),
            )
        return len(failed)

    def erase(self, customer: str) -> int:
        """Let go of a customer's deliveries, those that wait and those that failed; returns how many."""
        with reachable(_DOING):
            kept = {key: [data for _, data in self._redis.hscan_iter(key)] for key in (_WAITING, _FAILED)}
        found = [
            (key, one.id)
            for key, every in kept.items()
            for one in map(_deliveries.decode, every)
            if one.customer == customer
        ]
        commands: list[Command] = []
        for key, firing_id in found:
            commands += [("HDEL", key, firing_id), ("ZREM", _DUE, firing_id)]
        self._steps.make(commands)
        return len(found)

    def all_failed(self) -> list[Delivery]:
        """What has failed, oldest first."""
        with reachable(_DOING):
            found = self._redis.hvals(_FAILED)
        return sorted(map(_deliveries.decode, found), key=lambda delivery: delivery.since_ms)

    def counts(self) -> dict[str, int]:
        """`waiting` and, since the beginning, `delivered`, `failed` and `tries`; `dead` is what lies as failed now."""
        with reachable(_DOING):
            counted = {name.decode(): int(amount) for name, amount in self._redis.hgetall(_COUNTS).items()}
            waiting, dead = self._redis.hlen(_WAITING), self._redis.hlen(_FAILED)
        return {"waiting": waiting, "dead": dead, **{n: counted.get(n, 0) for n in ("delivered", "failed", "tries")}}

    def log(self, limit: int) -> list[Try]:
        """The last tries, newest first."""
        with reachable(_DOING):
            found = self._redis.xrevrange(_LOG, count=limit)
        return [
            Try(int(f[b"at"]), f[b"id"].decode(), f[b"trigger"].decode(), int(f[b"try"]), f[b"status"].decode())
            for _, f in found
        ]


def _tried(delivery: Delivery, status: str, now_ms: int) -> list[Command]:
    fields = ("at", now_ms, "id", delivery.id, "trigger", delivery.trigger, "try", delivery.tries + 1, "status", status)
    return [
        ("HINCRBY", _COUNTS, "tries", 1),
        ("XADD", _LOG, "MAXLEN", "~", _LOG_LENGTH, "*", *fields),
    ]
