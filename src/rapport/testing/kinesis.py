"""A Kinesis to test with: moto's server, with what it lacks of the real one.

moto moves a shard's records to its children when it is split or merged, numbers them anew, goes on writing to the
closed shard, and never says that it has ended; nothing is ever throttled, and retention removes nothing. Here a closed
shard keeps what it had and ends, children begin empty, sequence numbers have 56 digits and ascend, and a test can
throttle the server and let retention pass.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from types import TracebackType
from typing import Any

__all__ = ["REGION", "KinesisServer"]

REGION = "eu-central-1"
_FIRST_SEQUENCE = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
_REFUSED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "asked for by a test"}
_ACCOUNT = "123456789012"
"""Whose streams moto thinks that they are."""
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class KinesisServer:
    """A server in this process, on 127.0.0.1. For use in a `with`; one at a time.

    Attributes:
        refuse_reads: the next calls of GetRecords are throttled, so many.
        expire_iterators: the next calls of GetRecords find their iterator expired, so many.
        refuse_writes: of the next records of PutRecords, so many are throttled, every other one.
        calls: how often each of GetRecords and PutRecords was called, refused or not.
    """

    def __init__(self) -> None:
        self.refuse_reads = 0
        self.expire_iterators = 0
        self.refuse_writes = 0
        self.calls = {"get_records": 0, "put_records": 0}
        self._server: Any = None
        self._client: Any = None
        self._models: Any = None
        self._backend: Any = None
        self._original: Any = None

    def __enter__(self) -> KinesisServer:
        for name, value in _CREDENTIALS.items():
            os.environ.setdefault(name, value)
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._repair()
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._models.Shard, self._models.Stream, self._backend.get_records, self._backend.put_records = self._original

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    def bus_url(self, prefix: str = "") -> str:
        """As RAPPORT_BUS_URL has it."""
        return f"kinesis://{REGION}?prefix={prefix}&endpoint={self.endpoint}"

    def client(self) -> Any:
        """A client of boto3, as any producer has one. Safe for threads."""
        if self._client is None:
            import boto3

            self._client = boto3.session.Session().client("kinesis", region_name=REGION, endpoint_url=self.endpoint)
        return self._client

    def create(self, stream: str, shards: int = 1) -> None:
        """Create a stream."""
        self.client().create_stream(StreamName=stream, ShardCount=shards)

    def retain_nothing(self, stream: str, *, before: int | None = None) -> None:
        """Let retention remove the records of all shards; with `before`, only so many of each."""
        for shard in self._stream(stream).shards.values():
            for sequence in list(shard.records)[:before]:
                del shard.records[sequence]

    def forget_shard(self, stream: str, number: int) -> None:
        """Let a closed shard vanish from the list, as it does when retention has passed."""
        del self._stream(stream).shards[self._shard(stream, number).shard_id]

    def records(self, stream: str) -> list[tuple[int, Any]]:
        """All records with the number of the shard of each."""
        shards = self._stream(stream).shards.values()
        return [(shard._shard_id, record) for shard in shards for record in shard.records.values()]

    def split(self, stream: str, number: int) -> None:
        """Split a shard in its middle."""
        shard = self._shard(stream, number)
        self.client().split_shard(
            StreamName=stream,
            ShardToSplit=shard.shard_id,
            NewStartingHashKey=str((shard.starting_hash + shard.ending_hash) // 2 + 1),
        )

    def merge(self, stream: str, number: int, other: int) -> None:
        """Merge two neighbours, the lower range first."""
        one, two = (self._shard(stream, each).shard_id for each in (number, other))
        self.client().merge_shards(StreamName=stream, ShardToMerge=one, AdjacentShardToMerge=two)

    def _shard(self, stream: str, number: int) -> Any:
        return self._stream(stream).shards[f"shardId-{number:012d}"]

    def _stream(self, name: str) -> Any:
        return self._models.kinesis_backends[_ACCOUNT][REGION].streams[name]

    def _repair(self) -> None:
        models: Any = importlib.import_module("moto.kinesis.models")
        self._models = models
        self._backend = models.KinesisBackend
        self._original = models.Shard, models.Stream, self._backend.get_records, self._backend.put_records
        models.Shard, models.Stream, self._backend.get_records, self._backend.put_records = _repaired(models, self)


def _repaired(models: Any, server: KinesisServer) -> tuple[Any, Any, Any, Any]:
    lock = threading.RLock()
    numbers = iter(range(_FIRST_SEQUENCE, _FIRST_SEQUENCE + 2**62, 7))
    get_records, put_records = server._original[2:]

    class Shard(models.Shard):  # type: ignore[misc]
        def put_record(self, partition_key: str, data: str, explicit_hash_key: str) -> str:
            with lock:
                number = next(numbers)
                self.records[number] = models.Record(partition_key, data, number, explicit_hash_key)
                return str(number)

        def get_records(self, last_sequence_id: str, limit: int | None) -> Any:
            with lock:
                return super().get_records(last_sequence_id, limit)

    class Stream(models.Stream):  # type: ignore[misc]
        def put_record(self, partition_key: str, explicit_hash_key: str, data: str) -> Any:
            with lock:
                return super().put_record(partition_key, explicit_hash_key, data)

        def get_shard_for_key(self, partition_key: str, explicit_hash_key: str) -> Any:
            key = explicit_hash_key or models.md5_hash(partition_key.encode()).hexdigest()
            place = int(key) if explicit_hash_key else int(key, 16)
            return next(s for s in self.shards.values() if s.is_open and s.starting_hash <= place <= s.ending_hash)

        def split_shard(self, shard_to_split: str, new_starting_hash_key: str) -> None:
            self._reshard(super().split_shard, shard_to_split, new_starting_hash_key)

        def merge_shards(self, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
            self._reshard(super().merge_shards, shard_to_merge, adjacent_shard_to_merge)

        def _reshard(self, change: Any, *arguments: str) -> None:
            kept = {shard: shard.records for shard in self.shards.values()}
            with lock:
                for shard in kept:
                    shard.records = models.OrderedDict()
                change(*arguments)
                for shard, records in kept.items():
                    shard.records = records

    def reads(self: Any, stream_arn: str | None, shard_iterator: str, limit: int | None) -> Any:
        server.calls["get_records"] += 1
        if server.refuse_reads > 0:
            server.refuse_reads -= 1
            raise _error("ProvisionedThroughputExceededException")
        if server.expire_iterators > 0:
            server.expire_iterators -= 1
            raise _error("ExpiredIteratorException")
        following, records, behind_ms = get_records(self, stream_arn, shard_iterator, limit)
        name, shard_id, last = models.decompose_shard_iterator(following)
        shard = self.describe_stream(stream_arn=stream_arn, stream_name=name).get_shard(shard_id)
        ended = not shard.is_open and shard.get_max_sequence_number() <= int(last)
        return None if ended else following, records, behind_ms

    def writes(self: Any, stream_arn: str, stream_name: str, records: list[dict[str, Any]]) -> Any:
        server.calls["put_records"] += 1
        refused = set(range(0, len(records), 2)[: max(server.refuse_writes, 0)])
        server.refuse_writes -= len(refused)
        taken = [record for number, record in enumerate(records) if number not in refused]
        answers = iter(put_records(self, stream_arn, stream_name, taken)["Records"])
        told = [_REFUSED if number in refused else next(answers) for number in range(len(records))]
        return {"FailedRecordCount": len(refused), "Records": told}

    return Shard, Stream, reads, writes


def _error(code: str) -> Exception:
    from moto.core.exceptions import JsonRESTError

    return JsonRESTError(error_type=code, message="asked for by a test")
