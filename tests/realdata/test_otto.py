"""OTTO: sessions exploded into clicks, carts and orders, on two topics."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Installation, column


def test_every_event_of_every_session(real_data: Path, installation: Installation) -> None:
    file = real_data / "otto" / "train.jsonl"
    report, result = installation.replay(file, "otto")
    assert result.as_dict() == {"given": 862, "accepted": 862, "dead_letters": {}}
    counts = installation.runtime.bus.counts("accepted:")
    assert counts == {"accepted:customer_clicks": 852, "accepted:purchase_events": 10}
    assert report.last_us is not None

    sessions = [json.loads(line) for line in file.read_text().splitlines()]
    customers = [f"session-{session['session']}" for session in sessions]
    bought = [len({e["ts"] for e in session["events"] if e["type"] == "orders"}) for session in sessions]
    rows = installation.read("rfm", customers, report.last_us)
    assert [0 if value != value else int(value) for value in column(rows, "rfm__frequency")] == bought
