"""The least that one hop can cost: a bare process that reads a stream, blocking, and writes each record into a hash.

python -m benchmarks.freshness_floor REDIS_URL
"""

from __future__ import annotations

import sys

import redis

__all__ = ["ROW", "STREAM"]

STREAM = "bench:floor"
ROW = "bench:floor:row"


def main(url: str) -> None:
    """Copy until killed."""
    last = b"0-0"
    with redis.Redis.from_url(url) as client:
        while True:
            for _, entries in client.xread({STREAM: last}, count=1_000, block=1_000) or ():  # type: ignore[union-attr]
                for at, fields in entries:
                    client.hset(ROW, "n", fields[b"n"])
                    last = at


if __name__ == "__main__":
    main(sys.argv[1])
