"""Inferences by the protocol, however the rows are written: the model's own values, bit for bit; or a refusal."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.inference import DATATYPES, MAX_ROWS, call
from rapport.inference.offers import Offer, Output
from rapport.intake.refusal import Refusal

COLUMNS = ("a__x", "a__y", "b__z")
STRUCTS = dict(zip(DATATYPES, "?BHIQbhiqefd", strict=True))
LIMITS = {name: (-(2 ** (size - 1)), 2 ** (size - 1) - 1) for name, size in (("INT8", 8), ("INT16", 16), ("INT32", 32))}
LIMITS |= {name: (0, 2**size - 1) for name, size in (("UINT8", 8), ("UINT16", 16), ("UINT32", 32))}
LIMITS |= {"BOOL": (0, 1), "INT64": (-(2**53), 2**53), "UINT64": (0, 2**53)}
WIDTHS = {"FP16": 16, "FP32": 32, "FP64": 64}


def texts(matrix: np.ndarray) -> np.ndarray:
    return np.array([["known" if np.isfinite(row).any() else "ünknown"] for row in matrix], object)


OFFER = Offer(
    "echo",
    "7",
    "test_echo",
    dict.fromkeys(COLUMNS, "FP64"),
    {
        "rows": Output("FP64", len(COLUMNS), lambda matrix: matrix),
        "said": Output("BYTES", 1, texts),
        "more": Output("INT64", 1, lambda matrix: np.isnan(matrix).sum(axis=1, dtype=np.int64)[:, None], unasked=False),
    },
)


def values(datatype: str) -> st.SearchStrategy[float | None]:
    if datatype in WIDTHS:
        width = WIDTHS[datatype]
        largest = {"FP16": 65_504.0}.get(datatype, float(np.finfo(np.float32).max))
        return st.none() | st.floats(-largest, largest, allow_nan=False, width=width)
    return st.none() | st.integers(*LIMITS[datatype])


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str | None, list[list[float]]]:
    """A body, its header, and the rows that it has, None as NaN."""
    count = draw(st.integers(1, 5))
    kinds = [draw(st.sampled_from(DATATYPES)) for _ in COLUMNS]
    whole = draw(st.booleans())
    if whole:
        kinds = [kinds[0]] * len(COLUMNS)
    rows = [[draw(values(kind)) for kind in kinds] for _ in range(count)]
    inputs: list[dict[str, Any]] = []
    tails = b""
    parts = [("any", kinds[0], rows)] if whole else _columns(rows, kinds)
    for name, kind, data in draw(st.permutations(parts)):
        flat = [value for row in data for value in row]
        tensor = {"name": name, "datatype": kind, "shape": [count, len(data[0])]}
        if not whole and draw(st.booleans()):
            tensor["shape"] = [count]
        # bytes have no null; floats have NaN
        if draw(st.booleans()) and (kind in WIDTHS or None not in flat):
            raw = [math.nan if value is None else value for value in flat]
            packed = struct.pack(f"<{len(raw)}{STRUCTS[kind]}", *raw)
            tensor["parameters"] = {"binary_data_size": len(packed)}
            tails += packed
        else:
            nested = len(tensor["shape"]) == 2 and draw(st.booleans())
            tensor["data"] = data if nested else flat
        inputs.append(tensor)
    text = json.dumps({"inputs": inputs, "model_name": "of a client", "parameters": {}})
    if draw(st.booleans()):
        text = text.replace("null", "NaN")
    body = text.encode() + tails
    found = [[math.nan if value is None else float(value) for value in row] for row in rows]
    return body, str(len(text)) if tails else None, found


def _columns(rows: list[list[Any]], kinds: list[str]) -> list[tuple[str, str, list[list[Any]]]]:
    return [
        (name, kind, [[row[at]] for row in rows]) for at, (name, kind) in enumerate(zip(COLUMNS, kinds, strict=True))
    ]


@given(requests())
def test_rows_arrive_as_they_were_written(made: tuple[bytes, str | None, list[list[float]]]) -> None:
    body, header, expected = made
    answer = call(OFFER, body, header)
    assert answer.json_bytes is None and answer.rows == len(expected)
    rows, said = json.loads(answer.body)["outputs"]
    assert (rows["shape"], said["shape"]) == ([len(expected), 3], [len(expected), 1])
    found = [math.nan if value is None else value for value in rows["data"]]
    np.testing.assert_array_equal(found, np.ravel(expected))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["inputs", "name", "shape", "datatype", "data", "parameters", "outputs"]), inner)
), max_leaves=25), st.none() | st.text(max_size=4), st.binary(max_size=9))  # fmt: skip
def test_whatever_comes_is_answered_or_refused(value: Any, header: str | None, tail: bytes) -> None:
    with pytest.raises(Refusal) as told:
        call(OFFER, json.dumps({"inputs": value}).encode() + tail, header)
    assert told.value.status == 400


def tensor(**other: Any) -> dict[str, Any]:
    return {"name": "all", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3], **other}


def column(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "FP64", "data": [1], **other}


@pytest.mark.parametrize(
    ("inputs", "field", "said"),
    [
        ([], "inputs", "length >= 1"),
        ([tensor(datatype="BYTES")], "inputs[0].datatype", "INT64"),
        ([tensor(shape=[3, 1])], "inputs[0].shape", "not [n, 3]"),
        ([tensor(shape=[3])], "inputs[0].shape", "not [n, 3]"),
        ([tensor(shape=[2, 3])], "inputs[0].shape", "6 elements, 3 are given"),
        ([tensor(shape=[-1, 3])], "inputs[0].shape[0]", ">= 0"),
        ([tensor(shape=[0, 3], data=[])], "inputs", "0 rows"),
        ([tensor(shape=[MAX_ROWS + 1, 3], data=[1] * 3 * (MAX_ROWS + 1))], "inputs", "2,049 rows; 1 to 2,048"),
        ([tensor(data=[[1], [2], [3]])], "inputs[0].data", "not those of the shape"),
        ([tensor(data=[1, [2, 3]])], "inputs[0].data", "not those of the shape"),
        ([tensor(data=["1", 2, 3])], "inputs[0].data[0]", "got '1'"),
        ([tensor(data=None)], "inputs[0].data", "is required"),
        ([tensor(datatype="INT8", data=[1, 2, 128])], "inputs[0].data", "128 at 2"),
        ([tensor(datatype="INT32", data=[1, 2.5, 3])], "inputs[0].data", "2.5 at 1"),
        ([tensor(datatype="BOOL", data=[1, 0, 2])], "inputs[0].data", "2 at 2"),
        ([tensor(datatype="FP16", data=[1, 70_000, 2])], "inputs[0].data", "70000 at 1"),
        ([tensor(data=[1, 1e39, 2])], "inputs[0].data", "1e+39 at 1"),
        ([tensor(data=[1, 10**400, 2])], "inputs[0].data", "too large"),
        ([tensor(parameters={"binary_data_size": 24})], "inputs[0].data", "give one of them"),
        ([tensor(data=None, parameters={"binary_data_size": 24})], "inputs[0].parameters.binary_data_size", "0 are"),
        ([tensor(data=None, parameters={"binary_data_size": "9"})], "inputs[0].parameters.binary_data_size", "no num"),
        ([column("a__x"), column("a__y")], "inputs", "b__z not given"),
        ([column("a__x"), column("a__y"), column("b__z"), column("c")], "inputs[3].name", "no column"),
        ([column("a__x"), column("a__y"), column("b__z"), column("a__x")], "inputs[0].name", "given twice"),
        ([column("a__x"), column("a__y"), column("b__z", shape=[2], data=[1, 2])], "inputs", "1 to 2 rows"),
        ([column("a__x"), column("a__y"), column("b__z", shape=[1, 3], data=[1, 2, 3])], "inputs[2].shape", "[n, 1]"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_by_name(inputs: list[Any], field: str, said: str) -> None:
    with pytest.raises(Refusal) as told:
        call(OFFER, json.dumps({"inputs": inputs}).encode())
    assert (told.value.status, told.value.field) == (400, field)
    assert said in told.value.detail and len(told.value.detail) < 300


@pytest.mark.parametrize("header", ["x", "-1", "99999", "²", "1" * 30])
def test_a_wrong_length_of_the_json_is_refused(header: str) -> None:
    with pytest.raises(Refusal, match="are JSON"):
        call(OFFER, json.dumps({"inputs": [tensor()]}).encode(), header)


def test_bytes_that_nobody_asked_for_are_refused() -> None:
    text = json.dumps({"inputs": [tensor()]}).encode()
    with pytest.raises(Refusal, match="8 bytes are behind the JSON, the inputs take 0"):
        call(OFFER, text + bytes(8), str(len(text)))


@pytest.mark.parametrize("number", ["Infinity", "-Infinity"])
def test_infinity_is_no_value(number: str) -> None:
    text = json.dumps({"inputs": [tensor(data=[1, "@", math.nan])]}).replace('"@"', number)
    with pytest.raises(Refusal, match="inf at 1"):
        call(OFFER, text.encode())


def test_outputs_are_chosen_and_the_id_comes_back() -> None:
    request = {"id": "ä", "inputs": [tensor(data=[1, None, None])], "outputs": [{"name": "more"}, {"name": "rows"}]}
    found = json.loads(call(OFFER, json.dumps(request).encode()).body)
    assert found["id"] == "ä" and (found["model_name"], found["model_version"]) == ("echo", "7")
    assert found["outputs"] == [
        {"name": "more", "datatype": "INT64", "shape": [1, 1], "data": [2]},
        {"name": "rows", "datatype": "FP64", "shape": [1, 3], "data": [1.0, None, None]},
    ]
    with pytest.raises(Refusal, match="'less' is no output; rows, said, more are"):
        call(OFFER, json.dumps({**request, "outputs": [{"name": "less"}]}).encode())


def test_outputs_come_as_bytes_where_they_are_asked_for_so() -> None:
    request = {"inputs": [tensor(data=[1, None, 3])], "parameters": {"binary_data_output": True}}
    answer = call(OFFER, json.dumps(request).encode())
    rows, said = json.loads(answer.body[: answer.json_bytes])["outputs"]
    assert (rows["parameters"], said["parameters"]) == ({"binary_data_size": 24}, {"binary_data_size": 9})
    tail = answer.body[answer.json_bytes :]
    np.testing.assert_array_equal(struct.unpack("<3d", tail[:24]), [1, math.nan, 3])
    assert tail[24:] == struct.pack("<I", 5) + b"known"
    mixed = [{"name": "said"}, {"name": "rows", "parameters": {"binary_data": False}}]
    answer = call(OFFER, json.dumps({**request, "outputs": mixed}).encode())
    said, rows = json.loads(answer.body[: answer.json_bytes])["outputs"]
    assert rows["data"] == [1.0, None, 3.0] and said["parameters"] == {"binary_data_size": 9}
