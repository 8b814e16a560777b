"""The cache keeps the most recently used rows, and no more than it may."""

from __future__ import annotations

import pytest

from rapport.online.cache import RowCache


def test_least_recently_used_goes_first() -> None:
    cache: RowCache[str] = RowCache(2)
    cache.put("a", "1")
    cache.put("b", "2")
    assert cache.get("a") == "1"
    cache.put("c", "3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("1", None, "3")
    assert len(cache) == 2


def test_forget() -> None:
    cache: RowCache[str] = RowCache(2)
    cache.put("a", "1")
    cache.forget(["a", "never seen"])
    assert cache.get("a") is None


def test_no_cache() -> None:
    cache: RowCache[str] = RowCache(0)
    cache.put("a", "1")
    assert cache.get("a") is None


def test_negative_size() -> None:
    with pytest.raises(ValueError, match="0 \\(none\\) or more"):
        RowCache(-1)
