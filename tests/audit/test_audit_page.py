"""The page in a browser: nothing that was sent in runs or breaks it, and it looks as it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapport.archive import Archive
from rapport.audit.findings import compare
from rapport.audit.judge import judge
from rapport.audit.page import page_of
from rapport.audit.profile import Profile, Refusal
from rapport.audit.report import AuditReport, topic_report
from rapport.audit.scan import scan
from rapport.audit.span import Span
from rapport.testing.browser import chromium_path, open_page
from rapport.testing.weeks import TOPIC, UNTIL_US, Columns, fill

HOSTILE = [
    "<script>document.title='broken'</script>",
    '"><img src=x onerror="document.title=\'broken\'">',
    "$title ${when} %s {now} {0}",
    "\u202eright to left\u0000\x1b[31m",
    "]]>&amp;<!--",
    "x" * 250,
]


def _report(*profiles: Profile) -> AuditReport:
    findings, _ = compare([one for profile in profiles for one in judge(profile)], [])
    return AuditReport(
        made_us=UNTIL_US,
        seconds=1.0,
        since_us=UNTIL_US,
        until_us=UNTIL_US,
        late_from_s=3_600.0,
        notes=(HOSTILE[0],),
        findings=findings,
        resolved=findings[:1],
        compared_with_us=None,
        topics=tuple(map(topic_report, profiles)),
    )


def _hostile(columns: Columns, random: np.random.Generator) -> None:
    rows = len(columns["event_id"])
    for i, text in enumerate(HOSTILE):
        for name in ("page", "session_id", "currency"):
            columns[name][i * 40 : i * 40 + 40] = text
    assert rows > 40 * len(HOSTILE)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    archive = Archive(tmp_path_factory.mktemp("hostile"))
    fill(archive, _hostile, rows=500)
    found = scan(archive, TOPIC, Span(UNTIL_US))
    found.refused = [Refusal("unknown_field", HOSTILE[0])]
    found.refused[0].rows[0] = 100
    found.letters_known = 28
    return found


def test_hostile_values_are_text_on_the_page(profile: Profile) -> None:
    text = page_of(_report(profile))
    assert "<script>" not in text.lower() and "<img" not in text and "\x00" not in text and "\x1b" not in text
    assert "&lt;script&gt;" in text and "{now}" in text


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine: apt-get install chromium")
def test_the_page_in_a_browser(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_of(_report(profile)))
    with open_page(path.as_uri()) as opened:
        opened.wait_for("What changed", "values that history lacks", "Resolved since then", TOPIC)
        assert opened.page.title().startswith("Audit 2024-")
        assert opened.errors == []
        # Nothing is cut off at the side, and every plot has a size.
        assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        sizes = opened.page.evaluate("[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)")
        assert len(sizes) > 4 and min(sizes) > 20
        assert opened.screenshot(tmp_path / "page.png").stat().st_size > 20_000


@pytest.mark.parametrize("events", [0, 1])
def test_a_topic_with_next_to_nothing_has_a_page(tmp_path: Path, events: int) -> None:
    archive = Archive(tmp_path)

    def cut(columns: dict[str, Any], random: np.random.Generator) -> None:
        for name in columns:
            columns[name] = columns[name][:events]

    fill(archive, cut, rows=50, days=1)
    report = _report(scan(archive, TOPIC, Span(UNTIL_US)))
    assert report.topics[0].rows == events and report.findings == ()
    assert "learning: 0 of the 7 days" in page_of(report)
