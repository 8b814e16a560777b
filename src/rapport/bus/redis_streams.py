"""The embedded bus: Redis Streams. One stream per partition, positions and counters in two hashes.

Needs Redis 6.2 or later. A record's position is its stream id (milliseconds of the server's clock, sequence).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.bus import scripts
from rapport.bus.keys import partition_for
from rapport.bus.membership import FixedMembership, commit_each
from rapport.bus.protocol import START, Hop, Message, Position
from rapport.bus.redis_reader import Entry, RedisReader, SharedRead, parse_id, to_id
from rapport.bus.redis_room import MemoryRoom
from rapport.bus.share import WHOLE, Share
from rapport.errors import BusError, BusFull, BusUnavailable, PositionMoved, SettingsError
from rapport.events.schema import TOPICS

__all__ = ["RedisStreamsBus"]

_PREFIX = "rapport:bus"
_POSITIONS = f"{_PREFIX}:positions"
_COUNTS = f"{_PREFIX}:counts"
_TAKES_NO_WRITES = ("MISCONF ", "READONLY ", "NOREPLICAS ", "MASTERDOWN ")
"""What a Redis answers that works but for writing; in a script or a pipeline with words before it."""
_PARTITIONS = f"{_PREFIX}:partitions"
_ENDS = f"{_PREFIX}:ends"
_CHUNK = 4 * 500
"""Values of one call: 500 records. Redis answers nobody else in the few milliseconds that it takes; ten times as many
hold up whoever reads features for 25 ms, and are no faster."""
_CHUNK_BYTES = 256 * 1024
"""The same for large records: of decisions, which have 6 KB, 500 would take 15 ms."""
_COUNT_STEP = 1_000
_NO_LIMIT = 1 << 53
_TRIM_STEP = 2_000


class RedisStreamsBus:
    """A bus on one Redis server. See rapport.bus.protocol.Bus. Safe for threads; nothing is connected until used.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`.
        partitions: partitions of every topic; must be the same for all that use this Redis.
        max_length: records that one partition of a topic may hold; more are refused with BusFull.
        timeout_s: longest wait for an answer, seconds; then BusUnavailable.
    """

    keeps_read = False
    one_step = False
    foretells = False

    def __init__(
        self, redis_url: str, *, partitions: int = 1, max_length: int = 5_000_000, timeout_s: float = 5.0
    ) -> None:
        self._partitions = partitions
        self._max_length = max_length
        # A call is never repeated by the client: one that was applied and not answered would be applied twice.
        # redis-py types each answer as "perhaps awaitable", hence Any.
        self._redis: Any = redis.Redis.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis.set_response_callback("XREAD", lambda response, **_: response)
        self._publish = self._redis.register_script(scripts.PUBLISH)
        self._commit = self._redis.register_script(scripts.COMMIT)
        self._repartition = self._redis.register_script(scripts.REPARTITION)
        self._count = self._redis.register_script(scripts.COUNT)
        self._trimmed = self._redis.register_script(scripts.TRIMMED)
        self._shared = SharedRead(self)
        self._memory = MemoryRoom(self._redis)
        self._was_full = False
        self._layout_known = False

    def close(self) -> None:
        """Give the connections back. The bus can be used again afterwards."""
        self._redis.close()

    def stream(self, topic: str, partition: int) -> str:
        """The Redis key of a partition."""
        return f"{_PREFIX}:{topic}:{partition}"

    def partitions(self, topic: str) -> int:
        return self._partitions

    def join(
        self, group: str, topics: Sequence[str], share: Share = WHOLE, *, foretold: bool = False
    ) -> FixedMembership:
        return FixedMembership(self, topics, share)

    def publish(self, messages: Sequence[Message]) -> None:
        self._check_memory(messages)
        streams, totals, records = self._routed(messages)
        keys = [_PARTITIONS, _ENDS, *streams]
        chunks = list(_chunks(records))
        # What was refused is asked for first: Redis has better things to do than to read it again in vain.
        chunks = [[], *chunks] if self._was_full else chunks
        # The first chunk answers for all of them, so that a refused call has published nothing.
        limit, room = self._max_length, totals
        try:
            for chunk in chunks:
                with self._reached():
                    answer = self._publish(keys=keys, args=[self._partitions, limit, *room, *chunk])
                self._check_answer(answer, streams)
                limit, room = _NO_LIMIT, [0] * len(streams)
        except BusFull:
            self._was_full = True
            raise
        self._was_full = False
        self._shared.forget()

    def reader(self, topic: str, partition: int, after: Position = START) -> RedisReader:
        return RedisReader(self, self._shared, topic, partition, after)

    def wait(self, seconds: float) -> None:
        self._shared.wait(seconds)

    def position(self, group: str, topic: str, partition: int) -> Position:
        stored = self.stored(group, topic, partition)
        return parse_id(stored) if stored else START

    def commit(
        self,
        group: str,
        topic: str,
        partition: int,
        *,
        expected: Position,
        position: Position,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self.commit_text(group, topic, partition, to_id(expected), to_id(position), outputs, counts)

    def stored(self, group: str, topic: str, partition: int) -> bytes | None:
        """A position as it is stored; None: there is none.

        Raises:
            BusUnavailable
        """
        with self._reached():
            found: bytes | None = self._redis.hget(_POSITIONS, _field(group, topic, partition))
        return found

    def commit_text(
        self,
        group: str,
        topic: str,
        partition: int,
        expected: str,
        position: str,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """`commit` for positions of any form; "0-0" is the one of a group that has none. Raises what `commit` does."""
        self._check_memory(outputs)
        streams, totals, records = self._routed(outputs)
        amounts: list[Any] = list(chain.from_iterable((counts or {}).items()))
        head = [_field(group, topic, partition), expected, position, len(amounts) // 2, *amounts]
        with self._reached():
            answer = self._commit(
                keys=[_PARTITIONS, _ENDS, _POSITIONS, _COUNTS, *streams],
                args=[self._partitions, *head, self._max_length, *totals, *records],
            )
        self._shared.forget()
        if answer[0] == b"moved":
            raise PositionMoved(
                f"group {group!r} is at {answer[1].decode()} in {topic}/{partition}, not at {expected}: "
                "another worker has this partition"
            )
        self._check_answer(answer, streams)

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        return commit_each(self, group, hops)

    def foretell(self, topic: str, hop: Hop) -> None:
        """Its records have no place before they are committed."""

    def continues(self, topic: str, partition: int) -> Sequence[int]:
        return ()

    def counts(self, prefix: str = "") -> dict[str, int]:
        with self._reached():
            found = self._redis.hgetall(_COUNTS)
        named = {name.decode(): int(amount) for name, amount in found.items()}
        return {name: amount for name, amount in sorted(named.items()) if name.startswith(prefix)}

    def trim(self, topic: str, partition: int, before: Position) -> int:
        with self._reached():
            # In steps: Redis answers nobody else while it frees, and tens of thousands of records take tens of ms.
            dropped, stream, end = 0, self.stream(topic, partition), to_id(before)
            while step := int(self._redis.xtrim(stream, minid=end, approximate=True, limit=_TRIM_STEP)):
                dropped += step
            dropped += int(self._redis.xtrim(stream, minid=end, approximate=False))
            if dropped:
                self._trimmed(keys=[_ENDS], args=[stream, before.hi])
            return dropped

    def read(
        self, wanted: set[tuple[str, str]], max_records: int, *, block_s: float = 0.0
    ) -> dict[tuple[str, str], list[Entry]]:
        """What comes after each (stream, id); at most `max_records` of each. For the readers of this bus.

        Args:
            block_s: how long to wait when there is nothing; then each stream may be named once only.

        Raises:
            BusUnavailable
        """
        found: dict[tuple[str, str], list[Entry]] = {}
        left = sorted(wanted)
        block = ("BLOCK", max(1, int(block_s * 1_000))) if block_s else ()
        while left:
            # A stream is named once per call, for the answer tells streams apart by name only.
            now = dict(left)
            left = [pair for pair in left if now[pair[0]] != pair[1]]
            with self._reached():
                answer: Any = self._redis.execute_command(
                    "XREAD", "COUNT", max_records, *block, "STREAMS", *now, *now.values()
                )
            for name, entries in answer or ():
                stream = name.decode()
                found[stream, now[stream]] = entries
        return found

    def count_after(self, stream: str, position: Position) -> int:
        """Records of a stream after a position, or the events in them. Counts from both sides in steps, so it costs the
        shorter side.

        Raises:
            BusUnavailable
        """
        ahead: int = 0
        behind: int = 0
        start, end = to_id(position), to_id(position)
        with self._reached():
            last, first = self._redis.hmget(_ENDS, stream, f"{stream}:from")
            if last:
                return int(last) - max(int(first), position.hi)
            while True:
                step, last = self._count(keys=[stream], args=["XRANGE", f"({start}", "+", _COUNT_STEP])
                ahead, start = ahead + step, last.decode()
                if step < _COUNT_STEP:
                    return ahead
                side = end if behind == 0 else f"({end}"
                step, last = self._count(keys=[stream], args=["XREVRANGE", side, "-", _COUNT_STEP])
                behind, end = behind + step, last.decode()
                if step < _COUNT_STEP:
                    return max(int(self._redis.xlen(stream)) - behind, ahead)

    def _routed(self, messages: Sequence[Message]) -> tuple[list[str], list[int], list[Any]]:
        """The streams that messages go to, how many go to each, and the records as the scripts take them."""
        indexes: dict[tuple[str, int], int] = {}
        totals: Counter[int] = Counter()
        records: list[Any] = []
        for message in messages:
            place = (message.topic, partition_for(message, self._partitions))
            index = indexes.setdefault(place, len(indexes) + 1)
            totals[index] += message.events or 1
            number = f"{index}:{message.events}" if message.events else index
            key, origin = (text.encode("utf-8", "replace") for text in (message.key, message.origin))
            records += (number, key, message.value, origin)
        return [self.stream(*place) for place in indexes], [totals[index] for index in indexes.values()], records

    def repartition(self, partitions: int, readers: Iterable[tuple[str, str]], unread: Iterable[str]) -> None:
        """Change the number of partitions of every topic, when all that was written has been read: from then on a key's
        records go to its new partition, and none are left behind in the old one. Those who still route by the old
        number are refused.

        Args:
            partitions: the new number.
            readers: (group, topic) of all who read on from their position.
            unread: topics that are read from their beginning; a partition that goes may not hold records of them.

        Raises:
            BusError: a group has not read everything, or a partition that would go holds records of `unread`.
            SettingsError: this bus object has another number than the bus.
            BusUnavailable
        """
        places = [(group, topic, part) for group, topic in readers for part in range(self._partitions)]
        leaving = [(topic, part) for topic in unread for part in range(partitions, self._partitions)]
        streams = [self.stream(topic, part) for _, topic, part in places]
        held = [self.stream(*place) for place in leaving]
        fields = [_field(*place) for place in places]
        with self._reached():
            answer = self._repartition(
                keys=[_PARTITIONS, _POSITIONS, *streams, *held],
                args=[self._partitions, partitions, len(places), *fields],
            )
        if answer[0] == b"behind":
            group, topic, part = places[answer[1]]
            raise BusError(
                f"group {group!r} has not read all of {topic}/{part}: records that move to another partition while "
                "others of the same customer wait would be taken out of order. Stop the producers, `rapport up`, wait "
                "until `rapport status` shows nobody behind, `rapport down`, and try again"
            )
        if answer[0] == b"held":
            topic, part = leaving[answer[1]]
            raise BusError(
                f"partition {part} holds records of {topic}, and would go: retry or drop the dead letters first "
                f"(`rapport deadletters`), or keep more than {part} partitions"
            )
        self._check_answer(answer, streams)
        self._partitions = partitions

    def _check_memory(self, messages: Sequence[Message]) -> None:
        """Refuse events of producers when Redis is nearly full. What the flows write is none."""
        if any(message.topic in TOPICS for message in messages):
            with self._reached():
                self._memory.check()

    def _check_answer(self, answer: list[Any], streams: list[str]) -> None:
        if answer[0] == b"partitions":
            raise SettingsError(self._wrong_number(int(answer[1])))
        if answer[0] == b"full":
            raise BusFull(
                f"{streams[answer[1]]} holds {answer[2]} records, and {self._max_length} are allowed: wait until its "
                "consumers have caught up (`rapport status` shows their lag), or raise RAPPORT_BUS_MAX_LENGTH"
            )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Redis's errors as the bus's, and on first use the number of partitions compared with the stored one."""
        try:
            if not self._layout_known:
                self._check_layout()
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BusUnavailable(f"the bus does not answer: {error}; is Redis running (`rapport status`)?") from error
        except redis.ResponseError as error:
            said = str(error)
            if "OOM command not allowed" in said:
                raise BusFull(f"Redis has no memory left: {said}; give it more (maxmemory), or drop data") from error
            if any(word in said for word in _TAKES_NO_WRITES):
                raise BusUnavailable(f"Redis takes no writes: {said}; is its disk full, or is it a replica?") from error
            raise

    def _check_layout(self) -> None:
        self._redis.set(_PARTITIONS, self._partitions, nx=True)
        stored = int(self._redis.get(_PARTITIONS) or self._partitions)
        if stored != self._partitions:
            raise SettingsError(self._wrong_number(stored))
        self._layout_known = True

    def _wrong_number(self, stored: int) -> str:
        return (
            f"RAPPORT_PARTITIONS={self._partitions}, but this bus was written with {stored} partitions: set it to "
            f"{stored}; to change an installation's number, stop it and run `rapport partitions`"
        )


def _field(group: str, topic: str, partition: int) -> str:
    return f"{group}:{topic}:{partition}"


def _chunks(records: list[Any]) -> Iterator[list[Any]]:
    """The values of one call at a time: four a record, of which the third is what it carries."""
    begin = size = 0
    for at in range(0, len(records), 4):
        size += len(records[at + 2])
        if at + 4 - begin == _CHUNK or size >= _CHUNK_BYTES:
            yield records[begin : at + 4]
            begin, size = at + 4, 0
    if begin < len(records):
        yield records[begin:]
