"""Times as Feast stores them in `_ts:<view>`: a protobuf Timestamp (field 1 seconds, field 2 nanos), by hand.

Encoding follows https://protobuf.dev/programming-guides/encoding/; a field that is zero is left out.
"""

from __future__ import annotations

from rapport.errors import RowCorrupt

__all__ = ["decode_timestamp_us", "encode_timestamp_us"]

_SECONDS_TAG = 0x08
_NANOS_TAG = 0x10
_TWO_64 = 1 << 64


def encode_timestamp_us(time_us: int) -> bytes:
    """The bytes of a Timestamp for microseconds since 1970 UTC, equal to protobuf's own."""
    seconds, micros = divmod(time_us, 1_000_000)
    out = bytearray()
    if seconds:
        out.append(_SECONDS_TAG)
        _put_varint(out, seconds % _TWO_64)
    if micros:
        out.append(_NANOS_TAG)
        _put_varint(out, micros * 1_000)
    return bytes(out)


def decode_timestamp_us(data: bytes) -> int:
    """Microseconds since 1970 UTC of a Timestamp's bytes; nanoseconds are cut off.

    Raises:
        RowCorrupt: the bytes are not a Timestamp.
    """
    at, seconds, nanos = 0, 0, 0
    while at < len(data):
        tag = data[at]
        value, at = _get_varint(data, at + 1)
        if tag == _SECONDS_TAG:
            seconds = value - _TWO_64 if value >> 63 else value
        elif tag == _NANOS_TAG:
            nanos = value
        else:
            raise RowCorrupt(f"a stored event time {data.hex()} is not a protobuf Timestamp")
    return seconds * 1_000_000 + nanos // 1_000


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _get_varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
    raise RowCorrupt(f"a stored event time {data.hex()} is cut off")
