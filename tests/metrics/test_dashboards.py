"""The dashboards are what Grafana expects, and nothing is there twice."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.metrics.dashboards import DASHBOARDS, dashboards
from tests.source_tree import ROOT

UNITS = {"cps", "short", "s", "percentunit", "bytes", "bool", "reqps"}


def test_no_two_dashboards_share_a_name() -> None:
    found = dashboards()
    assert set(found) == {"audits", "ingestion", "features", "decisions"}
    for key in ("uid", "title"):
        assert len({dashboard[key] for dashboard in found.values()}) == len(found)


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_panels_are_sound(name: str) -> None:
    dashboard = dashboards()[name]
    panels: list[dict[str, Any]] = dashboard["panels"]
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels)
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["description"].endswith(".")
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + k) for i in range(place["w"]) for k in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_provisioning_names_folders_that_are_there() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "rapport.yaml").read_text())["providers"]
    assert provider["options"]["path"].rsplit("/", 1)[1] == DASHBOARDS.name
    (source,) = yaml.safe_load((folder / "datasources" / "rapport.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
