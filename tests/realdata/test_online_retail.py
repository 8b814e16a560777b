"""Online Retail: every row accounted for, and RFM of every customer as pandas computes it from the file alone."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rapport.bus.protocol import Message
from rapport.clock import to_us
from rapport.replay import CheckingBus, ReplayOptions, TimeWindow, load_mapping, outcome, replay

from .conftest import Installation, column

ROWS, NO_CUSTOMER, CUSTOMERS = 541_909, 135_080, 4_372
SLICE = 40_000


@pytest.fixture(scope="session")
def file(real_data: Path) -> Path:
    return real_data / "online_retail" / "online_retail.csv.gz"


def pandas_rfm(file: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    """Per customer: recency_s (NaN without orders), frequency, monetary in micros; from the file, by pandas alone."""
    kinds = {"InvoiceNo": str, "StockCode": str, "UnitPrice": str}
    lines = pd.read_csv(file, dtype=kinds, parse_dates=["InvoiceDate"]).dropna(subset="CustomerID")
    lines["customer"] = lines["CustomerID"].astype(int).astype(str)
    # Prices have at most three decimals: as integers of a thousandth nothing is rounded.
    mills = (lines["UnitPrice"].astype(float) * 1_000).round().astype(np.int64)
    lines["micros"] = lines["Quantity"] * mills * 1_000
    orders = lines[~lines["InvoiceNo"].str.startswith("C")].groupby("customer")
    table = pd.DataFrame(
        {
            "recency_s": (as_of - orders["InvoiceDate"].max()).dt.total_seconds(),
            "frequency": orders["InvoiceNo"].nunique(),
            "monetary": orders["micros"].sum(),
        }
    ).reindex(sorted(lines["customer"].unique()))
    return table.fillna({"frequency": 0, "monetary": 0})


def check_rfm(installation: Installation, file: Path) -> int:
    as_of = pd.Timestamp("2011-12-10")
    expected = pandas_rfm(file, as_of)
    rows = installation.read("rfm", list(expected.index), to_us(as_of.tz_localize("UTC").to_pydatetime()))
    assert set(rows.status["rfm"]) == {"present"}
    np.testing.assert_array_equal(column(rows, "rfm__frequency"), expected["frequency"])
    np.testing.assert_array_equal(column(rows, "rfm__monetary_micros"), expected["monetary"])
    np.testing.assert_array_equal(column(rows, "rfm__recency_s"), expected["recency_s"])
    return len(expected)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_whole_file_through_the_real_path(file: Path, installation: Installation) -> None:
    report, result = installation.replay(file, "online_retail")
    assert result.as_dict() == {
        "given": ROWS,
        "accepted": ROWS - NO_CUSTOMER,
        "dead_letters": {"no_customer": NO_CUSTOMER},
    }
    assert report.out_of_order == 0
    assert check_rfm(installation, file) == CUSTOMERS


def test_the_first_rows_through_the_real_path(file: Path, installation: Installation, tmp_path: Path) -> None:
    part = tmp_path / "online_retail.csv"
    with gzip.open(file, "rt") as whole, part.open("w") as out:
        out.writelines(islice(whole, SLICE + 1))
    _, result = installation.replay(part, "online_retail")
    empty = int(pd.read_csv(part)["CustomerID"].isna().sum())
    assert result.as_dict() == {"given": SLICE, "accepted": SLICE - empty, "dead_letters": {"no_customer": empty}}
    assert check_rfm(installation, part) > 900


@pytest.mark.slow
def test_every_row_of_the_whole_file_cut_in_two_is_checked_and_counted_once(file: Path) -> None:
    cut_us = to_us(pd.Timestamp("2011-10-10", tz="UTC").to_pydatetime())
    bus = CountingBus()
    halves = [
        outcome(bus, replay(bus, file, load_mapping("online_retail"), ReplayOptions(window=window)))
        for window in (TimeWindow(until_us=cut_us), TimeWindow(since_us=cut_us))
    ]
    assert sum(half.given for half in halves) == ROWS
    assert sum(half.accepted for half in halves) == ROWS - NO_CUSTOMER
    assert sum(half.dead_letters["no_customer"] for half in halves) == NO_CUSTOMER
    # 383 of the file's 9,288 cancellations are of nobody.
    assert bus.actions == {"order": 397_924, "cancellation": 8_905}


class CountingBus(CheckingBus):
    """Counts the actions of the events, too."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: Counter[str] = Counter()

    def publish(self, messages: Sequence[Message]) -> None:
        super().publish(messages)
        self.actions.update(
            "cancellation" if b'"action":"cancellation"' in message.value else "order"
            for message in messages
            if message.topic == "purchase_events"
        )
