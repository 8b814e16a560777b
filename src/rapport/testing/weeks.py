"""Weeks of clicks as an archive has them, the same ones for the same seed: for tests and benchmarks of audits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.archive import Archive, arrow_schema, with_source
from rapport.audit.profile import DAYS
from rapport.audit.span import DAY_US
from rapport.bus.protocol import Position

__all__ = ["TOPIC", "UNTIL_US", "Columns", "Plant", "append", "fill", "one_day"]

TOPIC = "customer_clicks"
UNTIL_US = 20_000 * DAY_US
"""Where the last day ends."""
Columns = dict[str, Any]
"""NumPy arrays by column; arrays of objects have None for nulls."""
Plant = Callable[[Columns, np.random.Generator], None]
"""Changes the columns of the last day."""

_ACTIONS = np.array(["view", "cart_add", "cart_remove", "checkout"], object)
_PAGES = np.array(["/", "/cart", "/sale"], object)


def one_day(day: int, rows: int, random: np.random.Generator) -> Columns:
    """The clicks of one day, `day` days before the last: fewer at night and on two days of the week. How many there
    are, and how many of them have a price, differs from day to day beyond chance."""
    rows = random.poisson(rows * (0.7 if day % 7 in (2, 3) else 1.0) * np.exp(0.04 * random.standard_normal()))
    hours = np.clip(random.normal(13, 4, rows), 0, 23.999)
    arrival = UNTIL_US - (day + 1) * DAY_US + (hours * 3_600e6).astype(np.int64)
    priced = random.random(rows) < np.clip(0.6 + 0.01 * random.standard_normal(), 0, 1)
    price = np.round(np.exp(random.normal(3, 0.8, rows)), 2) * 1_000_000
    return {
        "event_id": _named(f"{day:02d}-", np.arange(rows) + 10**7),
        "customer_id": _named("c-", random.integers(0, max(400, rows // 10), rows) + 10**6),
        "event_time": arrival - (random.exponential(2, rows) * 1e6).astype(np.int64),
        "arrival_time": arrival,
        "claimed_time": np.full(rows, None, object),
        "schema_version": np.ones(rows, np.int64),
        "action": random.choice(_ACTIONS, rows, p=[0.8, 0.12, 0.03, 0.05]),
        "product_id": _named("p", random.integers(0, 300, rows)),
        "page": random.choice(_PAGES, rows),
        "session_id": _named("s", random.integers(0, 2**40, rows)),
        "quantity": random.integers(1, 4, rows),
        "price_micros": _given(price.astype(np.int64), priced),
        "currency": _given(np.full(rows, "EUR"), priced),
    }


def fill(
    archive: Archive, plant: Plant | None = None, *, rows: int = 600, days: int = DAYS + 2, last: int = 0, seed: int = 0
) -> None:
    """Append the days from `days` ago to `last` ago, one append a day; the last day, 0, with what is planted."""
    random = np.random.default_rng(seed)
    for day in range(days - 1, last - 1, -1):
        columns = one_day(day, rows, random)
        if day == 0 and plant:
            plant(columns, random)
        append(archive, columns, days - day)


def append(archive: Archive, columns: Columns, number: int) -> None:
    """Append columns as the block of a number."""
    schema = arrow_schema(TOPIC)
    rows = len(columns["event_id"])
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    table = with_source(pa.table(arrays, schema=schema), 0, np.full(rows, number), np.arange(1, rows + 1))
    archive.append(TOPIC, table, writer="bus-0", position=Position(number + 1, 0))


def _given(values: np.ndarray[Any, Any], given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Objects: the values that are given, None for the others."""
    found = values.astype(object)
    found[~given] = None
    return found


def _named(prefix: str, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([f"{prefix}{number}" for number in numbers.tolist()], object)
