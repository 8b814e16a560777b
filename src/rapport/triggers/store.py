"""What triggers keep in Redis, beside the rows of the online store: timers, marks, positions, firings to publish.

| key, behind `{rapport:triggers}:` | what |
|---|---|
| `head` | hash: `version`, how many steps were made; `number`, of the last firing |
| `states` | hash: `<trigger>NUL<customer>` to what is kept of the pair (rapport.triggers.state.Watched in JSON) |
| `timers`, `checks` | sorted sets of such pairs by the world's time at which they are due, microseconds |
| `ask:<topic>:<partition>` | sorted set of pairs by the position up to which the features have to be applied |
| `places` | hash: `<topic>:<partition>` to the position up to which its events are in here |
| `outbox` | stream of firings, and records of the decisions made for them, that are not known to be on the bus yet |
| `counts` | hash: `<trigger>:<what>` to how often |

A step writes all that comes of a batch, its position included, in one script: a process may be killed at any moment.
All keys have one hash tag, so in a cluster they are on one node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from rapport.bus.protocol import START, Message, Position
from rapport.bus.redis_reader import parse_id, to_id
from rapport.decisions.log import DECISIONS_TOPIC
from rapport.decisions.record import DecisionRecord, decode_record, encode_record
from rapport.online.connect import reachable
from rapport.online.deletion import literal
from rapport.triggers.firing import Firing, to_message
from rapport.triggers.script import Command, Steps
from rapport.triggers.state import CHECKS, TIMERS, Changes, Pair, Watched

__all__ = ["Outgoing", "TriggerStore", "ask_queue"]

_PREFIX = "{rapport:triggers}:"
_HEAD, _STATES, _PLACES, _OUTBOX, _COUNTS = (
    _PREFIX + name for name in ("head", "states", "places", "outbox", "counts")
)
_DOING = "keeping what triggers wait for"
_AT_ONCE = 1_000


class Outgoing(NamedTuple):
    """What is to go onto the bus together: a firing, the record of a decision that is to be logged, or both."""

    number: int
    firing: Firing | None
    record: DecisionRecord | None

    @property
    def customer_id(self) -> str:
        """Whom it is about; "" when that is not to be known."""
        if self.firing is not None:
            return self.firing.customer_id
        return self.record.customer_id if self.record else ""

    def messages(self) -> list[Message]:
        """For the bus."""
        found = [to_message(self.firing)] if self.firing else []
        if self.record:
            found.append(Message(DECISIONS_TOPIC, self.record.customer_id, encode_record(self.record)))
        return found


_watched = msgspec.json.Decoder(Watched)
_firings = msgspec.json.Decoder(Firing)


def ask_queue(topic: str, partition: int) -> str:
    """The queue of pairs whose features are read when the partition has been applied up to a position."""
    return f"ask:{topic}:{partition}"


class TriggerStore:
    """The state of all triggers. One process at a time makes steps; another that does so too is fenced off.

    Every method raises StoreUnavailable when Redis does not answer.

    Args:
        client: the online store's Redis, `decode_responses` off, with a timeout.
    """

    def __init__(self, client: redis.Redis) -> None:
        # redis-py types each answer as "perhaps awaitable", hence Any.
        self._redis: Any = client
        self._steps = Steps(client, _HEAD, _DOING)
        self._version: int | None = None
        self._number = 0

    @property
    def begun(self) -> bool:
        return self._version is not None

    def begin(self, published: int) -> None:
        """Look up where the state is: at the start, and after a step of another process.

        Args:
            published: the number of the last firing that the bus has; if the state was lost, numbers go on from there.
        """
        with reachable(_DOING):
            version, number = self._redis.hmget(_HEAD, "version", "number")
        self._version = int(version or 0)
        self._number = max(int(number or 0), published)

    def place(self, topic: str, partition: int) -> Position:
        """The position up to which the events of a partition are in the state."""
        with reachable(_DOING):
            found = self._redis.hget(_PLACES, f"{topic}:{partition}")
        return parse_id(found) if found else START

    def load(self, pairs: Sequence[Pair]) -> dict[Pair, Watched | None]:
        """What is kept of some pairs."""
        if not pairs:
            return {}
        with reachable(_DOING):
            found = self._redis.hmget(_STATES, [_member(pair) for pair in pairs])
        return {pair: _watched.decode(data) if data else None for pair, data in zip(pairs, found, strict=True)}

    def due(self, queue: str, until: int, limit: int) -> list[Pair]:
        """The first pairs of a queue up to a score."""
        with reachable(_DOING):
            found = self._redis.zrangebyscore(_PREFIX + queue, "-inf", until, start=0, num=limit)
        return [_pair(member) for member in found]

    def step(self, changes: Changes, place: tuple[str, int, Position] | None = None) -> bool:
        """Write all changes, and the position that they bring a partition to, or nothing: False when another process
        has made a step meanwhile. Then `begin` anew, and read again what this was made from."""
        assert self._version is not None, "begin comes first"
        number = self._number
        commands: list[Command] = [_state(pair, state) for pair, state in changes.states.items()]
        commands += [("ZREM", _PREFIX + queue, _member(pair)) for queue, pair in changes.undue]
        commands += [("ZADD", _PREFIX + queue, score, _member(pair)) for (queue, pair), score in changes.due.items()]
        commands += [("HINCRBY", _COUNTS, name, amount) for name, amount in changes.counts.items()]
        for fields in _outgoing(changes):
            number += 1
            commands.append(("XADD", _OUTBOX, f"{number}-0", *fields))  # type: ignore[arg-type]
        if number > self._number:
            commands.append(("HSET", _HEAD, "number", number))
        if place is not None:
            commands.append(("HSET", _PLACES, f"{place[0]}:{place[1]}", to_id(place[2])))
        if not self._steps.make(commands, version=self._version):
            return False
        self._version, self._number = self._version + 1, number
        return True

    def outbox(self, after: int, limit: int) -> list[Outgoing]:
        """What is to go out after a number."""
        with reachable(_DOING):
            found = self._redis.xrange(_OUTBOX, min=f"({after}-0", count=limit)
        return [
            Outgoing(
                int(number.partition(b"-")[0]),
                _firings.decode(fields[b"f"]) if b"f" in fields else None,
                decode_record(fields[b"d"]) if b"d" in fields else None,
            )
            for number, fields in found
        ]

    def waiting(self) -> int:
        """How many firings may not be on the bus yet."""
        with reachable(_DOING):
            return int(self._redis.xlen(_OUTBOX))

    def published(self, number: int) -> None:
        """The bus has all firings up to a number."""
        with reachable(_DOING):
            self._redis.xtrim(_OUTBOX, minid=f"{number + 1}-0", approximate=False)

    def erase(self, customer: str) -> int:
        """Let go of all that is kept of a customer, timers that run and firings that are not on the bus yet; returns of
        how many triggers, and firings. A process that holds some of it can write nothing back."""
        while True:
            self.begin(0)
            pairs, commands = self._of(customer)
            firings = [one.number for one in self.outbox(0, self.waiting() + 1) if one.customer_id == customer]
            commands += [("XDEL", _OUTBOX, f"{number}-0") for number in firings]
            if not commands or self._steps.make(commands, version=self._version):
                return len(pairs) + len(firings)

    def _of(self, customer: str) -> tuple[set[bytes], list[Command]]:
        """The pairs of a customer, and what takes them out of every key."""
        pattern = b"*\0" + literal(customer.encode())
        with reachable(_DOING):
            found = {_STATES: [member for member, _ in self._redis.hscan_iter(_STATES, pattern, _AT_ONCE)]}
            asks = [f"ask:{place.decode()}" for place in self._redis.hkeys(_PLACES)]
            for key in (_PREFIX + queue for queue in (TIMERS, CHECKS, *asks)):
                found[key] = [member for member, _ in self._redis.zscan_iter(key, pattern, _AT_ONCE)]
        removed: list[Command] = [("HDEL" if key == _STATES else "ZREM", key, *of) for key, of in found.items() if of]
        return {member for members in found.values() for member in members}, removed

    def counts(self) -> dict[str, dict[str, int]]:
        """Trigger to what to how often: `fired`, `quiet`, `expired`, `old`, `capped`, `withheld`."""
        with reachable(_DOING):
            found = self._redis.hgetall(_COUNTS)
        counts: dict[str, dict[str, int]] = {}
        for field, amount in sorted(found.items()):
            name, _, what = field.decode().partition(":")
            counts.setdefault(name, {})[what] = int(amount)
        return counts

    def sizes(self) -> dict[str, int]:
        """How many pairs are kept, and how many wait in the queues of times."""
        with reachable(_DOING):
            kept = self._redis.hlen(_STATES)
            return {"states": kept, **{queue: self._redis.zcard(_PREFIX + queue) for queue in (TIMERS, CHECKS)}}


def _outgoing(changes: Changes) -> Iterator[list[bytes | str]]:
    """The fields of what goes out: of each firing itself, its decision's record, or both."""
    for firing in changes.firings:
        record = changes.records.get(firing.id)
        fields: list[bytes | str] = []
        if firing.id not in changes.withheld:
            fields += ["f", msgspec.json.encode(firing)]
        if record is not None:
            fields += ["d", encode_record(record)]
        yield fields


def _state(pair: Pair, state: Watched | None) -> Command:
    if state is None:
        return ("HDEL", _STATES, _member(pair))
    return ("HSET", _STATES, _member(pair), msgspec.json.encode(state))


def _member(pair: Pair) -> bytes:
    return f"{pair.trigger}\0{pair.customer}".encode()


def _pair(member: bytes) -> Pair:
    trigger, _, customer = member.decode().partition("\0")
    return Pair(trigger, customer)
