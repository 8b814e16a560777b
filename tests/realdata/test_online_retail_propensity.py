"""purchase_propensity on UCI Online Retail ranks the last 60 days better than a logistic regression on plain RFM."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.online_retail_propensity import compare

FILE = Path(__file__).parents[3] / "shared" / "data" / "online_retail" / "online_retail.csv.gz"


@pytest.mark.skipif(not FILE.is_file(), reason=f"Online Retail is not at {FILE}")
def test_propensity_beats_rfm_on_the_last_60_days(tmp_path: Path) -> None:
    found = compare(FILE, tmp_path / "project", rows=15_000)
    assert found.test_rows > 1_000
    assert found.model["auc"] > 0.7
    assert found.model["auc"] > found.rfm["auc"]
    assert found.model["log_loss"] < found.rfm["log_loss"]
