"""Evidently's own pages over the workspace: what it reads there, and what a browser shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from watched_world import FEATURES, MODEL, Watched

from rapport.testing.browser import chromium_path, open_page
from rapport.testing.pages import free_port, serving


@pytest.fixture(scope="module")
def pages(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `evidently ui`."""
    port = free_port()
    workspace = watched.world.settings.data_dir / "evidently"
    argv = [sys.executable, "-m", "evidently.cli", "ui", "--port", str(port), "--workspace", str(workspace)]
    with serving(argv, port, tmp_path_factory.mktemp("ui") / "log") as address:
        yield address


def project(address: str) -> str:
    found = httpx.get(f"{address}/api/projects").json()
    return str(next(one["id"] for one in found if one["name"] == MODEL))


def test_evidently_reads_the_history(pages: str) -> None:
    [run] = httpx.get(f"{pages}/api/projects/{project(pages)}/reports").json()
    assert run["metadata"] == {"version": "1"}
    asked = {"metric": "evidently:metric_v2:DriftedColumnsCount", "metric_labels": {"value_type": "share"}}
    body = {"series_filter": [{**asked, "tags": [], "metadata": {}}]}
    answer = httpx.post(f"{pages}/api/v2/snapshots/{project(pages)}/data_series_batch", json=body).json()
    assert [one["values"] for one in answer["series"]] == [[0.8]]


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine: apt-get install chromium")
def test_a_browser_shows_panels_and_report(pages: str, tmp_path: Path) -> None:
    with open_page(f"{pages}/projects/{project(pages)}") as opened:
        opened.wait_for("Share of drifted features", "Score drift", "Mean score", "Drift of every feature")
        opened.page.get_by_text("600", exact=True).first.wait_for(state="visible")
        assert opened.screenshot(tmp_path / "dashboard.png").stat().st_size > 20_000
        opened.page.get_by_role("tab", name="Reports").click()
        opened.page.get_by_text("View", exact=True).first.click()
        opened.wait_for(FEATURES[0], "Dataset Drift")
        assert opened.errors == []
