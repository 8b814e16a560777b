"""The protocol's request as it comes: JSON, with the tensors' bytes behind it where the binary extension is used.

Requests are open, as the protocol is: clients send fields of their own beside its fields. Each number of a tensor may
be null, which is a missing value; NaN, which is no JSON but which clients write, is read too.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from rapport.intake.bodies import decode_body
from rapport.intake.refusal import Refusal, refusal_of

__all__ = [
    "BINARY_SIZE",
    "DATATYPES",
    "MAX_ROWS",
    "InferRequest",
    "InputTensor",
    "Received",
    "RequestedOutput",
    "read_request",
]

MAX_ROWS = 2_048
"""Of one request."""
MAX_TENSORS = 1_024
BINARY_SIZE = "binary_data_size"
DATATYPES = ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")
"""Of inputs. The protocol's BYTES is of outputs only, for no model has an input of texts."""

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Number = int | float | bool | None
Parameters = Annotated[dict[str, Any], Meta(max_length=64)] | None


class InputTensor(msgspec.Struct, frozen=True):
    """One input. Either `data`, flat or in rows, or the parameter binary_data_size with the bytes behind the JSON."""

    name: Name
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=2**63 - 1)]], Meta(min_length=1, max_length=2)]
    datatype: Annotated[str, Meta(max_length=16, extra_json_schema={"enum": list(DATATYPES)})]
    data: list[Number | list[Number]] | None = None
    parameters: Parameters = None


class RequestedOutput(msgspec.Struct, frozen=True):
    """One output that is asked for."""

    name: Name
    parameters: Parameters = None


class InferRequest(msgspec.Struct, frozen=True):
    """Rows of inputs of one model."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1, max_length=MAX_TENSORS)]
    id: Annotated[str, Meta(max_length=256)] | None = None
    parameters: Parameters = None
    outputs: Annotated[list[RequestedOutput], Meta(max_length=MAX_TENSORS)] | None = None


class Received(NamedTuple):
    """A request, and the bytes behind its JSON."""

    request: InferRequest
    binary: memoryview


_request = msgspec.json.Decoder(InferRequest)


def read_request(body: bytes, header_length: str | None) -> Received:
    """The request in a body.

    Args:
        body: JSON, and bytes of tensors behind it.
        header_length: the header Inference-Header-Content-Length: how many bytes are JSON; None: all.

    Raises:
        Refusal: 400.
    """
    length = _length(header_length, len(body))
    text = body[:length]
    return Received(_decoded(text), memoryview(body)[length:])


def _length(said: str | None, size: int) -> int:
    if said is None:
        return size
    if not (said.isascii() and said.isdecimal() and len(said) < 12 and int(said) <= size):
        raise Refusal(
            400,
            "bad_value",
            "Inference-Header-Content-Length",
            f"{said[:40]!r} is not how many of the body's {size} bytes are JSON",
        )
    return int(said)


def _decoded(text: bytes) -> InferRequest:
    if b"NaN" not in text:
        return decode_body(_request, text)
    try:
        return _request.decode(text)
    except msgspec.ValidationError as error:
        raise refusal_of(error, text) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _with_nan(text)


def _with_nan(text: bytes) -> InferRequest:
    """The request in JSON as Python's json writes it."""
    try:
        return msgspec.convert(json.loads(text), InferRequest)
    except msgspec.ValidationError as error:
        raise refusal_of(error, b"null") from None
    except (ValueError, RecursionError) as error:
        raise refusal_of(error, text) from None
