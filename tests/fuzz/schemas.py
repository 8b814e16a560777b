"""Hostile schemas: whatever a registry has under an id, a reader of it or its refusal comes out."""

from __future__ import annotations

import contextlib
import random
from base64 import b64encode
from collections import Counter

from rapport.errors import EventError, RegistryRefused
from rapport.events.formats import make_reader
from rapport.events.schema import TOPICS
from rapport.registry import RegisteredSchema
from tests.events.registered import head, message_class, schema_of
from tests.fuzz.mutate import mutate

__all__ = ["fuzz_schemas"]

_FORMATS = ("avro", "json", "proto")


def fuzz_schemas(count: int, seed: int) -> Counter[str]:
    """What came of this many schemas with something wrong with them, and of random bytes that claim to be of them."""
    rng, outcomes = random.Random(seed), Counter[str]()
    texts = {(name, topic): _bytes(name, topic) for name in _FORMATS for topic in TOPICS}
    for _ in range(count):
        name, topic = rng.choice(list(texts))
        others = [text for (other, _), text in texts.items() if other == name]
        outcomes[f"{name}: {_fate(name, topic, mutate(rng, texts[name, topic], others), rng)}"] += 1
    return outcomes


def _bytes(name: str, topic: str) -> bytes:
    """The topic's schema; in Protocol Buffers compiled, as text goes to a compiler in a process of its own."""
    schema = schema_of(topic, name)
    if name != "proto":
        return schema.text.encode()
    data: bytes = message_class(schema.text).DESCRIPTOR.file.serialized_pb
    return data


def _fate(name: str, topic: str, text: bytes, rng: random.Random) -> str:
    kind = schema_of(topic, name).kind
    as_text = b64encode(text).decode() if name == "proto" else text.decode(errors="replace")
    try:
        read = make_reader(topic, "schema 1", RegisteredSchema(kind=kind, text=as_text))
    except RegistryRefused:
        return "refused"
    with contextlib.suppress(EventError):
        read(head(1) + (b"\0" if name == "proto" else b"") + rng.randbytes(rng.randrange(60)))
    return "read"
