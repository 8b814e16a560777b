"""The flame graph: py-spy's stacks are cut to the event loop's work, and a function's bar is as wide as its share."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from benchmarks.decision_flame import stacks_of
from benchmarks.decision_flame_picture import picture

LOOP = "thread (7): MainThread;main (a.py:1);Runner.run (asyncio/runners.py:118)"
RAW = f"""\
{LOOP};decide (bentos/decide.py:83);read (rapport/r.py:1) 6
{LOOP};decide (bentos/decide.py:99);score (rapport/s.py:2) 3
thread (8): decision-log;run (rapport/decisions/log.py:5);dict_<lambda> {{x}} (b.py:1) 1
"""


def test_lines_of_a_function_are_one_bar() -> None:
    assert stacks_of(RAW) == {
        ("event loop", "decide (bentos/decide.py)", "read (rapport/r.py)"): 6,
        ("event loop", "decide (bentos/decide.py)", "score (rapport/s.py)"): 3,
        ("decision log", "run (rapport/decisions/log.py)", "dict_<lambda> {x} (b.py)"): 1,
    }


def test_bars_are_as_wide_as_their_share() -> None:
    root = ElementTree.fromstring(picture(stacks_of(RAW), "A & B"))
    names = {"s": "http://www.w3.org/2000/svg"}
    bars = {
        re.sub(r": [\d.]+ %$", "", str(group.findtext("s:title", "", names))): group.find("s:rect", names)
        for group in root.findall("s:g", names)
    }
    widths = {name: float(bar.attrib["width"]) for name, bar in bars.items() if bar is not None}
    assert widths["event loop"] == 9 * widths["decision log"]
    assert widths["read (rapport/r.py)"] == 2 * widths["score (rapport/s.py)"]
    assert "dict_<lambda> {x} (b.py)" in widths
    heights = {name: float(bar.attrib["y"]) for name, bar in bars.items() if bar is not None}
    assert heights["event loop"] > heights["decide (bentos/decide.py)"] > heights["score (rapport/s.py)"]
