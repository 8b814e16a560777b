"""docs/edge.md says what the edge does: its options, metrics, rules and figures are compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from rapport.edge import rules, spool
from rapport.edge.command import parser
from rapport.edge.figures import Figures
from rapport.edge.keeper import Answer
from rapport.intake.columns import COLUMNS
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "edge.md").read_text(encoding="utf-8")


def test_every_option_is_documented() -> None:
    documented = set(re.findall(r"`(--[a-z-]+)`", "".join(re.findall(r"^\| .*? \|", PAGE, re.MULTILINE))))
    assert documented == {name for action in parser()._actions for name in action.option_strings if "--" in name} - {
        "--help"
    }
    options = parser().parse_args(["--uplink", "u", "--data", "d"])
    assert (options.host, options.port, options.max_mb, options.linger_ms) == ("127.0.0.1", 8410, 1024, 200)
    for text in ("`127.0.0.1`, 8410", "disk: 1024;", "batch: 200;"):
        assert text in PAGE


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    rules.Noise(rules.load_rules(path))
    conditions = set(rules.Rule.__struct_fields__) - {"name", "topic"}
    assert conditions == set(re.findall(r"^\| `(\w+)` \| .* \|$", PAGE.partition("| condition")[2], re.MULTILINE))
    assert f"remember {rules._MAX_REMEMBERED:,} events" in PAGE


def test_answers_metrics_and_figures(tmp_path: Path) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    msgspec.json.decode(text, type=Answer, strict=True)
    opened = spool.Spool(tmp_path / "edge", 2**20)
    gauges = set(re.findall(r"^(rapport_\w+)", Figures().render(opened), re.MULTILINE))
    opened.close()
    page = PAGE.replace("`…_batches", "`rapport_edge_forwarded_batches").replace(
        "`…_bytes_t", "`rapport_edge_forwarded_bytes_t"
    )
    page = page.replace("`…_", "`rapport_edge_buffer_")
    assert gauges <= set(re.findall(r"`(rapport_\w+)", page))
    added = set()
    for module in ("uplink", "keeper"):
        source = (ROOT / "src" / "rapport" / "edge" / f"{module}.py").read_text()
        added |= {f"rapport_edge_{name}" for name in re.findall(r'figures\.add\("(\w+)"', source)}
    assert len(added) == 7 and added <= set(re.findall(r"`(rapport_\w+)", page))
    assert f"at most {spool.MAX_SEGMENT_EVENTS:,} events" in PAGE and COLUMNS in PAGE
