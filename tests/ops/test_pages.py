"""All pages of an installation in a browser, with a demo's data in them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rapport.testing.browser import chromium_path, open_page
from tests.source_tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine: apt-get install chromium"),
]
MODEL = "purchase_propensity"


@dataclass(frozen=True)
class Installation:
    """`rapport up --ui` on what a demo has left, and what the demo told of itself."""

    port: int
    demo: dict[str, object]
    pictures: Path

    def address(self, offset: int = 0, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port + offset}{path}"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    port = _five_free_ports()
    env = {**os.environ, "RAPPORT_ROOT": str(ROOT), "RAPPORT_PORT": str(port), "RAPPORT_DATA_DIR": str(folder)}
    told = _rapport(env, "demo", "--customers", "300", "--days", "60", "--no-stay", "--json")
    env["RAPPORT_DATA_DIR"] = str(folder / "demo")
    try:
        _rapport(env, "up", "--ui", "--no-watch", "--json")
        yield Installation(port, json.loads(told), folder)
    finally:
        _rapport(env, "down", "--json")


def test_the_reference_of_the_http_interface(installation: Installation) -> None:
    with open_page(installation.address(path="/docs")) as opened:
        opened.wait_for("/personalize", "/events", "/feedback")
        assert opened.screenshot(installation.pictures / "openapi.png")
        assert opened.errors == []


def test_feasts_page_shows_the_declarations(installation: Installation) -> None:
    with open_page(installation.address(1, "/p/rapport/feature-view")) as opened:
        opened.wait_for("click_activity", "conversation", "rfm")
        assert opened.screenshot(installation.pictures / "feast.png")


def test_mlflows_page_shows_the_models_and_their_champions(installation: Installation) -> None:
    with open_page(installation.address(2, "/#/models")) as opened:
        opened.wait_for(MODEL, "champion")
        assert opened.screenshot(installation.pictures / "mlflow.png")


def test_evidentlys_page_shows_the_reports(installation: Installation) -> None:
    with open_page(installation.address(3)) as opened:
        opened.page.get_by_text(MODEL, exact=True).first.click()
        opened.wait_for("Share of drifted features", "Score drift", "Decisions compared")
        assert opened.screenshot(installation.pictures / "evidently.png")
        assert opened.errors == []


def _rapport(env: dict[str, str], *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "rapport.cli", *arguments], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, f"rapport {' '.join(arguments)}: {ended.stderr[-3_000:]}"
    return ended.stdout


def _five_free_ports() -> int:
    """A port that is free, and the four after it."""
    for port in range(20_000, 60_000, 10):
        try:
            for offset in range(5):
                with socket.socket() as taken:
                    taken.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise AssertionError("no five free ports in a row")
