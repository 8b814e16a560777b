"""CDNOW: the published RFM summary of the sample, reproduced from online features; the master file, accounted for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from rapport.clock import to_us
from rapport.replay import CheckingBus, ReplayOptions, TimeWindow, load_mapping, outcome, replay

from .conftest import Installation, column

END = datetime(1997, 9, 30, 23, 59, 59, tzinfo=UTC)
"""The end of the calibration period."""


def test_the_published_summary_of_the_sample(real_data: Path, installation: Installation) -> None:
    options = ReplayOptions(window=TimeWindow(until_us=to_us(datetime(1997, 10, 1, tzinfo=UTC))), clock="freeze")
    _, result = installation.replay(real_data / "cdnow" / "CDNOW_sample.txt", "cdnow", options)
    assert result.given == result.accepted == calibration_rows(real_data / "cdnow" / "CDNOW_sample.txt")

    published = pd.read_csv(real_data / "cdnow" / "cdnow_customers_summary.csv")
    assert len(published) == 2_357
    rows = installation.read("rfm", [f"{number:04d}" for number in published["ID"]], to_us(END))
    first, last = column(rows, "rfm__first_order_day"), column(rows, "rfm__last_order_day")
    end_day = (END.date() - date(1970, 1, 1)).days
    # The first purchase is not counted, purchases of one day are one, and time is in weeks.
    np.testing.assert_array_equal(column(rows, "rfm__order_days") - 1, published["frequency"])
    np.testing.assert_array_equal(((last - first) / 7).round(2), published["recency"])
    np.testing.assert_array_equal(((end_day - first) / 7).round(2), published["T"])


def calibration_rows(file: Path) -> int:
    days = (line.split()[2] for line in file.read_text().splitlines())
    return sum(day <= "19970930" for day in days)


def test_every_row_of_the_master_file_is_accounted_for(real_data: Path) -> None:
    bus = CheckingBus()
    report = replay(bus, real_data / "cdnow" / "CDNOW_master.txt", load_mapping("cdnow"))
    assert outcome(bus, report).as_dict() == {"given": 69_659, "accepted": 69_659, "dead_letters": {}}
    assert (report.first_us, report.last_us) == (
        to_us(datetime(1997, 1, 1, tzinfo=UTC)),
        to_us(datetime(1998, 6, 30, tzinfo=UTC)),
    )
