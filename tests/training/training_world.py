"""A small world with habits that a model can learn, written into an archive; a module of helpers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from rapport.archive import Archive, arrow_schema
from rapport.bus.protocol import Position

DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000 // DAY_US * DAY_US


def table_of(topic: str, frame: pd.DataFrame) -> pa.Table:
    """A topic's table from some of its columns; the others are null. `time_us` becomes the event's times."""
    times = pa.array(frame["time_us"].astype("int64")).cast(pa.timestamp("us", "UTC"))
    given = {"event_time": times, "arrival_time": times, "event_id": [f"{topic}-{i}" for i in range(len(frame))]}
    given["schema_version"] = [1] * len(frame)
    columns = []
    for column in arrow_schema(topic):
        values = given.get(column.name)
        if values is None:
            values = frame[column.name] if column.name in frame else [None] * len(frame)
        cast = isinstance(values, pa.Array)
        columns.append(values.cast(column.type) if cast else pa.array(values, column.type, from_pandas=True))
    return pa.table(columns, schema=arrow_schema(topic))


def write_world(folder: Path, *, customers: int = 250, days: int = 60, seed: int = 1) -> Archive:
    """Write an archive: who clicks a lot orders soon; who is frustrated opens tickets."""
    random = np.random.default_rng(seed)
    archive = Archive(folder)
    names = np.array([f"c{i:04d}" for i in range(customers)])
    for topic, frame in (*_shopping(random, names, days), *_chats(random, names, days)):
        archive.append(topic, table_of(topic, frame), writer="world", position=Position(1, 0))
    return archive


def _times(random: np.random.Generator, days: np.ndarray) -> np.ndarray:
    return START_US + days.astype(np.int64) * DAY_US + random.integers(0, DAY_US, len(days))


def _shopping(random: np.random.Generator, names: np.ndarray, days: int) -> list[tuple[str, pd.DataFrame]]:
    """Phases of interest: each customer is interested in some weeks, clicks then, and orders within days."""
    weeks = days // 7 + 1
    interest = random.random((len(names), weeks)) < random.beta(1, 3, (len(names), 1))
    clicks = random.poisson(np.where(interest, 3.0, 0.3)[:, np.arange(days) // 7])
    orders = random.random((len(names), days)) < np.where(interest, 0.25, 0.01)[:, np.arange(days) // 7]
    who, day = np.nonzero(clicks)
    repeat = clicks[who, day]
    who, day = np.repeat(who, repeat), np.repeat(day, repeat)
    added = random.random(len(who)) < 0.2
    click_frame = pd.DataFrame(
        {
            "customer_id": names[who],
            "time_us": _times(random, day),
            "action": np.where(added, "cart_add", "view"),
            "product_id": [f"p{i}" for i in random.integers(0, 50, len(who))],
            "quantity": 1,
            "view": [None if a else True for a in added],
            "cart_add": [True if a else None for a in added],
            "cart_micros": [5_000_000 if a else None for a in added],
        }
    )
    who, day = np.nonzero(orders)
    times = _times(random, day)
    order_frame = pd.DataFrame(
        {
            "customer_id": names[who],
            "time_us": times,
            "action": "order",
            "order_id": [f"o{i}" for i in range(len(who))],
            "quantity": random.integers(1, 5, len(who)),
            "currency": "EUR",
            "amount_micros": random.integers(1_000_000, 90_000_000, len(who)),
            "order_day": times // DAY_US,
        }
    )
    return [("customer_clicks", click_frame), ("purchase_events", order_frame)]


def _chats(random: np.random.Generator, names: np.ndarray, days: int) -> list[tuple[str, pd.DataFrame]]:
    """Conversations of five messages in an hour; the more frustrated, the more likely a ticket within hours."""
    count = len(names) * days // 10
    who, start = random.integers(0, len(names), count), _times(random, random.integers(0, days, count))
    mood = random.beta(1.2, 4, count)
    turns = np.repeat(np.arange(count), 5)
    frustration = np.clip(mood[turns] + random.normal(0, 0.08, len(turns)), 0, 1)
    times = start[turns] + np.tile(np.arange(5), count) * 60_000_000
    messages = pd.DataFrame(
        {
            "customer_id": names[who[turns]],
            "time_us": times,
            "role": "customer",
            "conversation_id": [f"k{i}" for i in turns],
            "text": "…",
            "message": True,
            "sentiment": 0.5 - frustration,
            "negative": frustration > 0.5,
            "frustration": frustration,
            "query": "…",
            "text_model": "…",
        }
    )
    opened = random.random(count) < mood
    tickets = pd.DataFrame(
        {
            "customer_id": names[who[opened]],
            "time_us": start[opened] + random.integers(600_000_000, DAY_US // 2, opened.sum()),
            "action": "opened",
            "ticket_id": [f"t{i}" for i in range(opened.sum())],
            "opened": True,
            "open_change": 1,
        }
    )
    return [("chat_messages", messages), ("support_tickets", tickets)]
