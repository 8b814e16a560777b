"""The cache keeps the rows written last, and no more than it may."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.online.cache import RowCache
from rapport.online.packed import pack


def put(cache: RowCache, values: dict[str, tuple[bytes, bytes]]) -> None:
    ids = [*values]
    new = pack([values[one][0] for one in ids] + [values[one][1] for one in ids])
    cache.put(ids, np.arange(len(ids)), pack([None] * len(new.starts[1:])), new)


def get(cache: RowCache, customer: str) -> tuple[bytes, bytes] | None:
    found = cache.find([customer])
    if len(found.unknown()):
        return None
    values = cache.values(found, np.zeros(0, np.int64), pack([]))
    return values.get(0), values.get(1)


def test_written_last_stays_longest() -> None:
    cache = RowCache(4, 1_000, 2)
    put(cache, {"a": (b"1", b"one"), "b": (b"2", b"")})
    put(cache, {"c": (b"3", b"three")})
    assert get(cache, "a") == (b"1", b"one")
    put(cache, {"a": (b"4", b"four"), "d": (b"5", b"five")})
    assert (get(cache, "a"), get(cache, "b"), get(cache, "d")) == ((b"4", b"four"), None, (b"5", b"five"))
    assert len(cache) <= 4


def test_what_was_not_written_anew_is_remembered_as_loaded() -> None:
    cache = RowCache(4, 1_000, 2)
    cache.put(["a", "b"], np.array([1]), pack([b"A", b"a", b"B", b"b"]), pack([None, b"new", None, None]))
    assert (get(cache, "a"), get(cache, "b")) == (None, (b"new", b"b"))


def test_forget() -> None:
    cache = RowCache(4, 1_000, 2)
    put(cache, {"a": (b"1", b"")})
    cache.forget(["a", "never seen"])
    assert get(cache, "a") is None


@pytest.mark.parametrize(("rows", "size"), [(0, 1_000), (10, 0)])
def test_no_cache(rows: int, size: int) -> None:
    cache = RowCache(rows, size, 2)
    put(cache, {"a": (b"1", b"")})
    assert get(cache, "a") is None


def test_values_too_large_for_it_are_not_kept_and_spare_the_others() -> None:
    cache = RowCache(100, 100, 2)
    put(cache, {"small": (b"s", b""), "large": (b"x" * 60, b""), "other": (b"o", b"")})
    assert (get(cache, "large"), get(cache, "other")) == (None, (b"o", b""))


@pytest.mark.parametrize(("rows", "size", "message"), [(-1, 1, "-1 rows"), (1, -1, "-1 bytes")])
def test_bad_sizes(rows: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}; 0 \\(none\\) or more"):
        RowCache(rows, size, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), max_size=60), st.integers(0, 12), st.integers(0, 200))
def test_never_wrong_and_never_too_much(writes: list[tuple[int, int]], rows: int, size: int) -> None:
    cache = RowCache(rows, size, 2)
    last: dict[str, tuple[bytes, bytes]] = {}
    for number, (customer, length) in enumerate(writes):
        values = (bytes([number]) * length, b"v")
        put(cache, {str(customer): values})
        last[str(customer)] = values
        assert len(cache) <= rows
        for one, expected in last.items():
            assert get(cache, one) in (None, expected)
    known = [len(values[0]) + 1 for one, values in last.items() if get(cache, one)]
    assert sum(known) <= size


def test_a_million_customers_take_no_more_than_the_bound() -> None:
    rows, size, batch = 20_000, 4 << 20, 4_000
    cache = RowCache(rows, size, 2)
    new, nothing = pack([b"x" * 150] * 2 * batch), pack([None] * 2 * batch)
    everybody = np.arange(batch)
    tracemalloc.start()
    try:
        seen = []
        for first in range(0, 1_000_000, batch):
            cache.put([f"customer{number}" for number in range(first, first + batch)], everybody, nothing, new)
            seen.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(cache) <= rows
    assert max(seen[10:]) < 300 * rows
    assert max(seen[-50:]) <= 1.1 * max(seen[10:60])
