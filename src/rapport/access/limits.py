"""Requests per second of each caller: token buckets, in the process."""

from __future__ import annotations

import math
from collections import OrderedDict

from rapport.access.caller import Caller
from rapport.intake.refusal import Refusal

__all__ = ["BURST_S", "Limits"]

BURST_S = 2.0
"""A caller that was quiet may send what it may send in this time at once."""
_MOST_CALLERS = 10_000

Headers = tuple[tuple[str, str], ...]


class _Bucket:
    __slots__ = ("at_s", "level", "policy", "rate", "size")

    def __init__(self, rate: float, now_s: float) -> None:
        self.rate = rate
        self.size = max(1.0, math.floor(rate * BURST_S))
        self.level = self.size
        self.at_s = now_s
        self.policy = f'"caller";q={self.size:.0f};w={math.ceil(self.size / rate)}'


class Limits:
    """A bucket for each caller that was seen lately; of one thread."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: Caller, now_s: float, count: int = 1, *, counted: int = 0) -> Headers:
        """Let a request through; the headers that tell the caller what is left (draft-ietf-httpapi-ratelimit-headers).

        Args:
            now_s: any clock that only goes forward, seconds.
            count: how many requests it counts as.
            counted: how many of them have been counted already.

        Raises:
            Refusal: 429 with the time after which such a request is let through; 400 when it never is.
        """
        if not caller.rate_per_s:
            return ()
        bucket = self._buckets.get(caller.name)
        if bucket is None or bucket.rate != caller.rate_per_s:
            bucket = self._new(caller, now_s)
        bucket.level = min(bucket.size, bucket.level + max(0.0, now_s - bucket.at_s) * bucket.rate)
        bucket.at_s = now_s
        if count > bucket.size:
            detail = f"more requests in one than the {bucket.size:.0f} that the caller may send at once; send fewer"
            raise Refusal(400, "bad_value", "", detail, dict(_headers(bucket)))
        more = count - counted
        if bucket.level < more:
            raise _too_many(bucket, more)
        bucket.level -= more
        return _headers(bucket)

    def _new(self, caller: Caller, now_s: float) -> _Bucket:
        bucket = self._buckets[caller.name] = _Bucket(caller.rate_per_s, now_s)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        return bucket


def _headers(bucket: _Bucket) -> Headers:
    full_s = math.ceil((bucket.size - bucket.level) / bucket.rate)
    return ("RateLimit-Policy", bucket.policy), ("RateLimit", f'"caller";r={int(bucket.level)};t={full_s}')


def _too_many(bucket: _Bucket, count: int) -> Refusal:
    wait_s = max(1, math.ceil((count - bucket.level) / bucket.rate))
    detail = f"more than {bucket.rate:g} requests per second; send again after {wait_s} s"
    return Refusal(429, "rate_limited", "", detail, {"Retry-After": str(wait_s), **dict(_headers(bucket))})
