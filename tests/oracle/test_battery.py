"""The oracle battery over every declared view, and over one with everything in it.

`pytest tests/oracle --cases 10000` is the nightly run; a run prints its seed, and `--oracle-seed` repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from feast import StreamFeatureView

from feature_repo import views
from feature_repo.entities import customer
from rapport.feast.declare import is_windowed, view_of
from rapport.testing.battery import Battery
from rapport.testing.cases import generate_case
from rapport.testing.conformance import check_cases
from rapport.testing.repository import make_store
from rapport.windows import View
from tests.oracle.everything import decimals, everything

DECLARED = [*(view for view in vars(views).values() if is_windowed(view)), everything()]
AT_ONCE = 250
AS_OFS = 10
"""Times at which one lot of cases is read."""


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, socket_timeout=60) as client:
        yield client


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("view", [*map(view_of, DECLARED), decimals()], ids=lambda view: str(view.name))
def test_the_oracle_agrees(view: View, client: redis.Redis, cases: int, oracle_seed: int) -> None:
    battery = Battery(view, client, oracle_seed)
    rng = random.Random(f"{view.name} {oracle_seed}")
    for first in range(0, cases, AT_ONCE):
        times = [_as_of(rng) for _ in range(AS_OFS)]
        numbers = range(first, min(first + AT_ONCE, cases))
        battery.check([generate_case(view, battery.kinds, rng, n, rng.choice(times)) for n in numbers])


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("declared", DECLARED, ids=lambda view: str(view.name))
def test_feast_agrees(
    declared: StreamFeatureView, redis_url: str, client: redis.Redis, cases: int, oracle_seed: int, tmp_path: Path
) -> None:
    """A share of the cases through a plain FeatureStore: its online and its historical features."""
    objects = [customer, declared.stream_source, declared]
    store = make_store(tmp_path, redis_url, objects, offline="rapport.feast.offline_store.RapportOfflineStore")
    view = view_of(declared)
    kinds = {a.column: view.kinds[a.column] for a in view.aggregations if a.column}
    rng = random.Random(f"feast {view.name} {oracle_seed}")
    times = [_as_of(rng) for _ in range(AS_OFS)]
    share = [generate_case(view, kinds, rng, n, rng.choice(times)) for n in range(max(20, cases // 5))]
    assert check_cases(store, view.name, client, share) == len(share)


def _as_of(rng: random.Random) -> int:
    """Any time of this century, the edge of a day, or early in 1970."""
    any_us = rng.randrange(1_000_000_000_000_000, 2_000_000_000_000_000)
    edge_us = any_us // 86_400_000_000 * 86_400_000_000 + rng.choice((-1, 0, 1))
    return rng.choice((any_us, any_us, edge_us, rng.randrange(0, 100 * 86_400_000_000)))
