"""The common form of measurements: ratios, the page made from them, and a benchmark that runs in its own process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks import results
from benchmarks.__main__ import benchmarks, run
from benchmarks.frame import Measurement, compared, latencies_ms, rate, spread
from benchmarks.page import write_page
from benchmarks.results import Group, Machine, Run, Section
from benchmarks.show import cells, figure
from tests.source_tree import ROOT

OURS = Measurement(name="ours", unit="events/s", value=300.0)
PEER = Measurement(name="peer", unit="events/s", value=100.0)


def test_over_one_is_better_whichever_way_the_unit_goes() -> None:
    assert compared(OURS, PEER).ratio == 3.0
    slow, quick = spread("slow", "ms", [4.0, 4.0]), spread("quick", "ms", [1.0, 1.0])
    assert compared(quick, slow).ratio == 4.0
    assert OURS.ratio is None
    with pytest.raises(ValueError, match="ours is in events/s but its peer slow in ms"):
        compared(OURS, slow)


def test_samples_become_median_and_p99() -> None:
    one = spread("x", "ms", [1.0] * 98 + [50.0, 60.0])
    assert (one.value, one.samples) == (1.0, 100)
    assert one.p99 == pytest.approx(50.1)
    assert len(latencies_ms(lambda: None, times=20, warm=1)) == 20
    assert rate("y", "calls/s", lambda: 10, repeat=3).samples == 3


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.0123456, "0.0123"), (7.0, "7"), (1_234_567.0, "1,230,000"), (99.96, "100")]
)
def test_three_digits_are_shown(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_benchmarks_are_found_without_being_imported() -> None:
    found = benchmarks()
    assert "bytewax_window" in found
    assert not {"frame", "page", "one"} & set(found)


def test_a_benchmark_that_fails_says_so_and_does_not_stop_the_others() -> None:
    group = run("absent", "An absent one", quick=True)
    assert group.measurements == ()
    assert "No module named 'benchmarks.absent'" in group.error


def test_the_page_has_tables_pictures_and_the_machine(tmp_path: Path) -> None:
    machine = Machine("A processor", 2, 7.8, "Linux 6", "3.11.7", {"numpy": "2.4"})
    grown = tuple(
        Measurement(name=f"cost at {n}", unit="us", value=float(n), x=float(n), x_unit="n", series=series)
        for series in ("a", "b")
        for n in (10, 100)
    )
    course = tuple(
        Measurement(name="lag", unit="events", value=float(n), x=float(n), x_unit="s", series="a", timed=True)
        for n in range(3)
    )
    memory = Measurement(name="peak", unit="MB", value=5.0, better="lower")
    groups = (
        Group("first", "The first", (compared(OURS, PEER), OURS, memory)),
        Group("second", "The second", (OURS,)),
        Group("third", "The third", (*grown, *course)),
    )
    run = Run(datetime(2026, 1, 2, tzinfo=UTC), "abc", False, machine, groups)
    text = write_page([Section(run, group) for group in groups], tmp_path).read_text()
    assert "A processor, 2 cores, 7.8 GB" in text
    assert "| ours | 300 |  | events/s | peer | 100 |  | 3 |" in text
    assert text.count("Measured on 2026-01-02 at commit abc") == 3
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    third = ["performance-third-lines.svg", "performance-third-time.svg"]
    assert names == ["performance-first-memory.svg", "performance-first.svg", *third]
    # A course is a picture, and no table of hundreds of columns.
    assert "| lag |" not in text and "| events |" not in text
    assert all(f"](images/{name})" in text for name in names)
    assert len(next(iter(cells(groups[0].measurements)))) == 8
    later = Run(datetime(2026, 1, 3, tzinfo=UTC), "def", False, machine, groups[1:2])
    again = write_page([Section(later, groups[1])], tmp_path).read_text()
    headings = [line for line in again.splitlines() if line.startswith("## ")]
    assert headings == ["## The first", "## The second", "## The third"]
    assert again.count("Measured on 2026-01-02 at commit abc") == 2
    assert again.count("Measured on 2026-01-03 at commit def") == 1


def test_results_are_not_in_the_repository() -> None:
    assert "/benchmarks/results/" in (ROOT / ".gitignore").read_text().split()


def test_the_page_takes_the_newest_figures_of_each_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    machine = Machine("A processor", 2, 7.8, "Linux 6", "3.11.7", {})
    for day, quick, groups in (
        (1, False, (Group("a", "A", (OURS,)), Group("b", "B", (OURS,)))),
        (2, False, (Group("b", "B", (PEER,)), Group("a", "A", error="no"))),
        (3, True, (Group("a", "A", (PEER,)),)),
    ):
        run = Run(datetime(2026, 1, day, tzinfo=UTC), "abc", quick, machine, groups)
        (tmp_path / f"{day}.json").write_bytes(msgspec.json.encode(run))
    found = results.newest()
    assert [(one.group.name, one.run.time.day, one.group.measurements) for one in found] == [
        ("a", 1, (OURS,)),
        ("b", 2, (PEER,)),
    ]
