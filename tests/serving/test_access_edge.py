"""The edge forwards with its key over TLS; while the key is not right, events wait and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from guarded_world import Guarded

from rapport.testing.edge import Edge
from rapport.testing.served import wait_for

CLICK = {"event_id": "e1", "customer_id": "edge-1", "event_time": "2026-03-01T12:00:00Z", "action": "view"}


def test_events_wait_for_a_right_key(guarded: Guarded, tmp_path: Path) -> None:
    key = tmp_path / "edge.key"
    options = ["--ca-file", str(guarded.authority), "--key-file", str(key)]
    key.write_text(guarded.key("wrong", ["decide"]) + "\n")
    with Edge(tmp_path / "edge", guarded.served.url, *options) as edge:
        assert edge.give("customer_clicks", [CLICK]).status_code == 202
        wait_for(
            lambda: "missing_scope" in edge.log.read_text() or "bad_credential" in edge.log.read_text(), "no try", 20
        )
        assert edge.metric("rapport_edge_forwarded_events_total") == 0
    key.write_text(guarded.key("edge", ["events:write"]) + "\n")
    with Edge(tmp_path / "edge", guarded.served.url, *options) as edge:
        wait_for(lambda: edge.metric("rapport_edge_forwarded_events_total") == 1, "nothing is forwarded", 20)
        assert key.read_text().strip() not in edge.log.read_text()
