"""Keys, fields, marks and times are byte for byte what Feast and the documentation say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rapport.errors import RowCorrupt
from rapport.online.keys import EntityKey, KeyMaker, field_of, parse_key, time_field
from rapport.online.marks import MARK_BYTES, decode_marks, encode_marks
from rapport.online.timestamps import decode_timestamp_us, encode_timestamp_us

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def feast_key(project: str, customer_id: str) -> bytes:
    proto = EntityKeyProto(join_keys=["customer_id"], entity_values=[Value(string_val=customer_id)])
    return bytes(_redis_key(project, proto))


@given(IDS, IDS)
def test_keys_are_feasts(project: str, customer_id: str) -> None:
    key = KeyMaker(project).key(customer_id)
    assert key == feast_key(project, customer_id)
    assert parse_key(key, ["customer_id"]) == EntityKey(("customer_id",), (2,), (customer_id.encode(),), project)


@pytest.mark.parametrize("customer_id", ["17850", "客户-7", "zoë", "😀" * 30, "a\u0301", "x" * 128, "rapport", " "])
def test_keys_of_awkward_ids(customer_id: str) -> None:
    assert KeyMaker("rapport").keys([customer_id]) == [feast_key("rapport", customer_id)]


def test_a_key_names_its_project() -> None:
    ours, theirs = KeyMaker("shop").key("c1"), KeyMaker("myshop").key("c1")
    assert theirs.endswith(b"shop")
    parsed = [parse_key(key, ["customer_id"]) for key in (ours, theirs)]
    assert [key.project for key in parsed if key] == ["shop", "myshop"]


@pytest.mark.parametrize(
    "key", [b"", b"rapport:bus:x:0", KeyMaker("p").key("c1")[:20], KeyMaker("p", "order_id").key("1")]
)
def test_other_keys_are_not_entities(key: bytes) -> None:
    assert parse_key(key, ["customer_id"]) is None


@given(IDS, IDS)
def test_fields_are_feasts(view: str, feature: str) -> None:
    assert field_of(view, feature) == _mmh3(f"{view}:{feature}")
    assert time_field(view) == f"_ts:{view}".encode()


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_times_are_protobufs(time_us: int) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us))
    assert encode_timestamp_us(time_us) == stamp.SerializeToString()
    assert decode_timestamp_us(stamp.SerializeToString()) == time_us


@pytest.mark.parametrize("data", [b"\x08", b"\x08\xff\xff", b"\x1a\x01", b"\x08" + b"\xff" * 12])
def test_broken_times_are_refused(data: bytes) -> None:
    with pytest.raises(RowCorrupt):
        decode_timestamp_us(data)


def test_marks() -> None:
    hi, lo = np.array([1, 2**63], np.uint64), np.array([2**64 - 1, 0], np.uint64)
    encoded = encode_marks(0xFFFE, hi, lo)
    assert encoded[0] == bytes.fromhex("fffe0000000000000001ffffffffffffffff")
    assert len(encoded[1]) == MARK_BYTES == 18
    decoded = decode_marks([encoded[0] + b"row", None, encoded[1], b"short"])
    assert decoded.tolist() == [(0xFFFE, 1, 2**64 - 1), (0, 0, 0), (0xFFFE, 2**63, 0), (0, 0, 0)]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), min_size=2, max_size=2))
def test_marks_of_a_partition_sort_as_bytes(positions: list[tuple[int, int]]) -> None:
    hi, lo = np.array(positions, np.uint64).T
    a, b = encode_marks(3, hi, lo)
    assert (a < b) == (positions[0] < positions[1])
