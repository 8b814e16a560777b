"""Which shards a worker reads: its share of them, each when those that it came of have been read to their ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

from rapport.bus.kinesis_reader import ShardReader
from rapport.bus.kinesis_shards import Stream, shard_id
from rapport.bus.protocol import START, Place, Position
from rapport.bus.share import Share
from rapport.errors import BusUnavailable, RecordsGone

if TYPE_CHECKING:
    from rapport.bus.kinesis import KinesisBus

__all__ = ["ShardMembership"]

_LOOK_EVERY_S = 1.0
_LIST_EVERY_S = 10.0
_NOTE_EVERY_S = 30.0
_log = logging.getLogger(__name__)


class _Seen(NamedTuple):
    places: list[Place]
    waiting: bool
    """Whether a shard waits for those that it came of."""


class ShardMembership:
    """See rapport.bus.protocol.Membership. A shard is of the same worker, whatever becomes of the others.

    Args:
        bus: the bus.
        group: the group of consumers.
        topics: raw topics.
        share: which of the shards.
    """

    def __init__(self, bus: KinesisBus, group: str, topics: Sequence[str], share: Share) -> None:
        self._bus = bus
        self._group = group
        self._topics = topics
        self._share = share
        self._places: dict[Place, int] = {}
        self._waiting = True
        self._readers: dict[Place, ShardReader] = {}
        self._look: Future[_Seen] | None = None
        self._next_look_s = 0.0
        self._next_list_s = 0.0
        self._next_note_s = time.monotonic() + _NOTE_EVERY_S
        self._ended: set[Place] = set()
        self._settling_s = 0.0

    def places(self) -> Mapping[Place, int]:
        self._collect()
        now_s = time.monotonic()
        ended = {place for place, reader in self._readers.items() if reader.ended and self._committed(place)}
        if self._look is None and (now_s >= self._next_look_s or ended - self._ended):
            self._next_look_s = now_s + _LOOK_EVERY_S
            self._ended = ended
            fresh = bool(ended) or now_s >= self._next_list_s
            if fresh:
                self._next_list_s = now_s + _LIST_EVERY_S
            self._look = self._bus.executor.submit(self._seen, frozenset(ended), fresh, self._times_to_note(now_s))
        return self._places

    def reader(self, topic: str, partition: int, after: Position = START) -> ShardReader:
        made = self._bus.shard_reader(topic, partition, after)
        self._readers[topic, partition] = made
        return made

    def settled(self) -> bool:
        readers = [self._readers.get(place) for place in self._places]
        if self._waiting or not all(reader and reader.seen_all_since(0.001) for reader in readers):
            self._settling_s = 0.0
            return False
        # What came while the last answers were on their way is asked for once more.
        self._settling_s = self._settling_s or time.monotonic()
        return all(reader and reader.seen_all_since(self._settling_s) for reader in readers)

    def _collect(self) -> None:
        if self._look is None or not self._look.done():
            return
        look, self._look = self._look, None
        try:
            seen = look.result()
        except BusUnavailable as error:
            _log.warning("the shards are listed again in %g s: %s", _LOOK_EVERY_S, error)
            return
        self._waiting = seen.waiting
        if set(seen.places) != self._places.keys():
            self._places = dict.fromkeys(seen.places, 0)
            self._readers = {place: reader for place, reader in self._readers.items() if place in self._places}
            _log.info("%s reads %s", self._group, ", ".join(f"{topic}/{number}" for topic, number in seen.places))

    def _committed(self, place: Place) -> bool:
        return self._bus.committed(self._group, *place) == self._readers[place].position

    def _times_to_note(self, now_s: float) -> dict[Place, int]:
        """Until when shards without new records have been read: what tells, after retention, that nothing was lost."""
        if now_s < self._next_note_s:
            return {}
        self._next_note_s = now_s + _NOTE_EVERY_S
        found = {place: reader.read_to_ms for place, reader in self._readers.items() if self._committed(place)}
        return {place: read_to_ms for place, read_to_ms in found.items() if read_to_ms}

    def _seen(self, ended: frozenset[Place], fresh: bool, times_ms: Mapping[Place, int]) -> _Seen:
        """Notes what is through, and looks what there is. In another thread."""
        bus, places, waiting = self._bus, [], False
        if times_ms:
            bus.marks.note_read_to({bus.place(*place): read_to_ms for place, read_to_ms in times_ms.items()})
        for index, topic in enumerate(self._topics):
            name = bus.name(topic)
            if through := [number for of, number in ended if of == topic]:
                bus.marks.end(self._group, name, through)
            stream = bus.streams.get(topic, max_age_s=0.0 if fresh else 60.0)
            taken, done = bus.marks.taken_and_ended(self._group, name)
            self._check_gone(stream, taken - done)
            left = [shard for number, shard in sorted(stream.shards.items()) if number not in done]
            begun = [s.number for s in left if not any(p in stream.shards and p not in done for p in s.parents)]
            waiting = waiting or len(begun) < len(left)
            own = [number for number in begun if (index + number) % self._share.count == self._share.index]
            if new := set(own) - taken:
                bus.marks.take(self._group, name, new)
            places += [(topic, number) for number in own]
        return _Seen(places, waiting)

    def _check_gone(self, stream: Stream, unfinished: set[int]) -> None:
        if gone := sorted(unfinished - stream.shards.keys()):
            raise RecordsGone(
                f"{', '.join(map(shard_id, gone))} of stream {stream.name} had not been read to the end, and retention "
                "has removed what was left. `rapport down`, then `rapport bus seek ingest TOPIC` goes on without it"
            )
