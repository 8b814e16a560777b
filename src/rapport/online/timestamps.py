"""Times as Feast stores them in `_ts:<view>`: a protobuf Timestamp."""

from __future__ import annotations

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from rapport.errors import RowCorrupt

__all__ = ["decode_timestamp_us", "encode_timestamp_us"]


def encode_timestamp_us(time_us: int) -> bytes:
    """The bytes of a Timestamp for microseconds since 1970 UTC."""
    seconds, micros = divmod(time_us, 1_000_000)
    data: bytes = Timestamp(seconds=seconds, nanos=micros * 1_000).SerializeToString()
    return data


def decode_timestamp_us(data: bytes) -> int:
    """Microseconds since 1970 UTC of a Timestamp's bytes; nanoseconds are cut off.

    Raises:
        RowCorrupt: the bytes are not a Timestamp.
    """
    try:
        stamp = Timestamp.FromString(data)
    except DecodeError as error:
        raise RowCorrupt(f"a stored event time {data.hex()} is not a protobuf Timestamp: {error}") from error
    time_us: int = stamp.seconds * 1_000_000 + stamp.nanos // 1_000
    return time_us
