"""A place in a shard: iterators made and made anew, and no record skipped unsaid."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rapport.bus.kinesis_link import CallRefused, IteratorExpired, KinesisLink
from rapport.bus.kinesis_marks import Checkpoint, Marks
from rapport.bus.kinesis_shards import Stream, shard_id
from rapport.errors import RecordsGone

__all__ = ["Cursor", "Fetched"]


class Fetched(NamedTuple):
    """An answer of Kinesis.

    Attributes:
        records: as boto3 has them, those that had been read before left out.
        behind_ms: how far they are behind the newest record of the shard; 0: there was no other.
        ended: the shard is closed, and nothing comes after them.
    """

    records: Sequence[Mapping[str, Any]]
    behind_ms: int
    ended: bool


class Cursor:
    """Reads a shard, a call at a time. Of one thread at a time.

    Kinesis says nothing when retention has removed what an iterator points to: it gives what comes afterwards. So a
    place is taken up at the record that was read last, and that one is looked for. If it is gone, nothing is lost only
    if the shard had been read to its end within its retention.

    Args:
        link: to Kinesis.
        marks: what is kept of the shard.
        stream: the stream.
        place: the shard's name among the marks.
        number: the shard's.
        after: how far it has been read.
    """

    def __init__(
        self, link: KinesisLink, marks: Marks, stream: Stream, place: str, number: int, after: Checkpoint
    ) -> None:
        self._link = link
        self._marks = marks
        self._stream = stream
        self._place = place
        self._number = number
        self._iterator: str | None = None
        self._looked_for = ""
        self.at = after
        """After all that was fetched."""
        self.read_to_ms = 0
        """What had arrived by then has been fetched; milliseconds."""

    def fetch(self, limit: int, *, remember: bool = True) -> Fetched:
        """One GetRecords, and a GetShardIterator where there is no iterator.

        Args:
            limit: most records of the answer.
            remember: note the shard's first record when it is met; False for one who only looks.

        Raises:
            RecordsGone: retention removed records that were not read.
            BusUnavailable, BusError
        """
        if self._iterator is None or (self.at.sequence and 0 < self.read_to_ms < self._oldest_ms()):
            self._iterator = self._open()
        asked_ms = int(time.time() * 1_000)
        iterator, self._iterator = self._iterator, None
        try:
            answer = self._link.call("get_records", ShardIterator=iterator, Limit=limit)
        except IteratorExpired:
            return Fetched((), 1, False)
        records, behind_ms = answer["Records"], int(answer.get("MillisBehindLatest") or 0)
        following = answer.get("NextShardIterator")
        if self._looked_for:
            records = self._looked_through(records, behind_ms)
        elif records and not self.at.sequence and remember and not self._is_first(records[0]["SequenceNumber"]):
            return Fetched((), 1, False)
        self._iterator = following
        if records:
            last = records[-1]
            arrival_ms = round(last["ApproximateArrivalTimestamp"].timestamp() * 1_000)
            self.at = Checkpoint(self.at.read + len(records), last["SequenceNumber"], arrival_ms)
        self.read_to_ms = max(self.read_to_ms, asked_ms - behind_ms)
        return Fetched(records, behind_ms, not following)

    def _open(self) -> str:
        self._looked_for = self.at.sequence or self._marks.first(self._place, self.at.read)
        if not self._looked_for:
            return self._made(ShardIteratorType="TRIM_HORIZON")
        try:
            return self._made(ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=self._looked_for)
        except CallRefused:
            self._allow_absence()
            return self._made(ShardIteratorType="TRIM_HORIZON")

    def _made(self, **where: str) -> str:
        answer = self._link.call(
            "get_shard_iterator", StreamName=self._stream.name, ShardId=shard_id(self._number), **where
        )
        return str(answer["ShardIterator"])

    def _looked_through(self, records: Sequence[Mapping[str, Any]], behind_ms: int) -> Sequence[Mapping[str, Any]]:
        """The records without the one that was read last; it has to be the first of them."""
        if not records and behind_ms:
            # Kinesis gives nothing now and then although there is more.
            return records
        if records and records[0]["SequenceNumber"] == self._looked_for:
            self._looked_for = ""
            return records[1:] if self.at.sequence else records
        self._allow_absence()
        return records

    def _allow_absence(self) -> None:
        """The record is gone: nothing was lost if all that came after it by now minus retention had been read."""
        read_to_ms = max(self.read_to_ms, self._marks.read_to(self._place), self.at.arrival_ms)
        if not self.at.sequence or read_to_ms < self._oldest_ms():
            raise RecordsGone(
                f"retention of stream {self._stream.name} ({self._stream.retention_ms // 3_600_000} h) has removed "
                f"record {self._looked_for} of {shard_id(self._number)}, and perhaps others that were not read. "
                "`rapport down`, then `rapport bus seek ingest TOPIC` goes on from the oldest record there is; a "
                "longer retention (`aws kinesis increase-stream-retention-period`) gives more time"
            )
        self._looked_for = ""

    def _oldest_ms(self) -> int:
        """What arrived before may be gone."""
        return int(time.time() * 1_000) - self._stream.retention_ms

    def _is_first(self, sequence: str) -> bool:
        """Whether records are counted from this one on; else from the one that is noted, which is then looked for."""
        return self._marks.begin(self._place, self.at.read, sequence) == sequence
