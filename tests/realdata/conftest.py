"""Real files through the real path: replay, bus, flows, archive, online store. Skipped where the data is not there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.declared import Declared
from flows.features import features
from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.online import FeatureRows, OnlineReader, WindowedView, connect
from rapport.replay import Outcome, ReplayOptions, ReplayReport, load_mapping, outcome, replay
from rapport.settings import load_settings
from rapport.windows import Plan, compile_view

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the real data sets are not at {DATA}")
    return DATA


@dataclass
class Installation:
    """An installation in a folder of its own, with the project's feature declarations."""

    runtime: Runtime
    declared: Declared

    def replay(self, file: Path, mapping: str, options: ReplayOptions | None = None) -> tuple[ReplayReport, Outcome]:
        """Replay a file, run all flows until everything is read, and give the account."""
        report = replay(self.runtime.bus, file, load_mapping(mapping), options, set_clock=self._set_clock)
        for add in (ingest, archive, self._features):
            flow = Dataflow(add.__name__.strip("_"))
            add(flow, self.runtime, drain=True)
            run_main(flow)
        return report, outcome(self.runtime.bus, report)

    def read(self, view: str, customers: list[str], as_of_us: int) -> FeatureRows:
        """All features of a view, from the online store."""
        plan = next(plan for plans in self.declared.plans.values() for plan in plans if plan.view.name == view)
        client = connect(self.runtime.settings, timeout_s=30)
        reader = OnlineReader(self.declared.project, [WindowedView(plan, plan.names)], client=client)
        rows = reader.read(customers, as_of_us)
        reader.close()
        return rows

    def _features(self, flow: Dataflow, runtime: Runtime, *, drain: bool) -> None:
        features(flow, runtime, self.declared, drain=drain)

    def _set_clock(self, clock: WorldClock) -> None:
        import msgspec

        client = connect(self.runtime.settings, timeout_s=5)
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(clock))
        client.close()


@pytest.fixture
def installation(redis_url: str, tmp_path: Path) -> Installation:
    (tmp_path / "feature_store.yaml").touch()
    settings = load_settings({"RAPPORT_REDIS_URL": redis_url}, root=tmp_path)
    return Installation(make_runtime(replace(settings, archive_every_s=0.2)), _declared())


def column(rows: FeatureRows, name: str) -> Any:
    """One feature's values, float64[n]."""
    return rows.vector[:, rows.names.index(name)]


def _declared() -> Declared:
    from feature_repo import views
    from rapport.feast.declare import is_windowed, topic_of, view_of

    plans: dict[str, list[Plan]] = {}
    for view in vars(views).values():
        if is_windowed(view):
            plans.setdefault(topic_of(view), []).append(compile_view(view_of(view)))
    return Declared("rapport", plans)
