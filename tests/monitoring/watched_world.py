"""A small world to watch: a champion with its training reference, and decisions in a real archive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring.state import Happening, read_history
from rapport.archive import Archive, arrow_schema
from rapport.bus.protocol import Position
from rapport.clock import from_us, to_us
from rapport.decisions import DecisionRecord, RenderedTemplate, Sentiment, encode_record
from rapport.models import FeatureSpec, Manifest, Pointer, write_manifest, write_pointer
from rapport.settings import Settings

MODEL = "purchase_propensity"
FEATURES = tuple(f"view__f{i}" for i in range(10))
START_US = 1_700_000_000_000_000


def features(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """FEATURES of `rows` customers and a score: counts, amounts with a long tail, one constant, one never there."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.poisson(2 + 4 * shift, rows).astype(float) for name in FEATURES[:5]})
    for name in FEATURES[5:8]:
        frame[name] = np.where(rng.random(rows) < 0.3, np.nan, rng.lognormal(2 * shift, 2, rows))
    frame[FEATURES[8]], frame[FEATURES[9]] = 1.0, np.nan
    return frame.assign(score=rng.beta(2, 5 - 3 * min(shift, 1.0), rows))


@dataclass
class World:
    """A data folder, and what a test does to it."""

    settings: Settings
    _appended: int = field(default=0)

    def champion(
        self, name: str = MODEL, version: str = "1", *, kind: Literal["xgboost", "segments"] = "xgboost"
    ) -> None:
        """Promote a version whose reference has 2,000 rows."""
        folder = self.settings.data_dir / "models" / name / version
        folder.mkdir(parents=True)
        features(2_000, 0).to_parquet(folder / "reference.parquet")
        manifest = Manifest(
            name=name,
            version=version,
            kind=kind,
            created_us=START_US,
            service=name,
            features=tuple(FeatureSpec(feature, "float") for feature in FEATURES),
            views={"view": "00"},
            files={"reference.parquet": hashlib.sha256((folder / "reference.parquet").read_bytes()).hexdigest()},
            trained_until_us=START_US,
            label="orders within seven days",
        )
        write_pointer(folder.parent, Pointer(version, write_manifest(folder, manifest)))

    def decide(
        self,
        rows: int,
        *,
        shift: float = 0.0,
        version: str = "1",
        name: str = MODEL,
        at_us: int = START_US,
        degraded: tuple[str, ...] = (),
    ) -> None:
        """Append decisions to the archive, one a second from `at_us` on."""
        self._appended += 1
        frame = features(rows, self._appended + 100, shift).replace({np.nan: None})
        records = [
            _record(f"d{self._appended}-{i}", at_us + i * 1_000_000, row, name, version, degraded)
            for i, row in enumerate(frame.to_dict("records"))
        ]
        columns = [(r.decision_id, r.customer_id, to_us(r.as_of), encode_record(r).decode()) for r in records]
        schema = arrow_schema("decisions")
        arrays = [pa.array(values, type=f.type) for values, f in zip(zip(*columns, strict=True), schema, strict=True)]
        archive = Archive(self.settings.data_dir / "archive")
        archive.append(
            "decisions", pa.table(arrays, schema=schema), writer="test", position=Position(self._appended, 0)
        )


@dataclass
class Watched:
    """A world that has been watched for a round, and what was retrained."""

    world: World
    retrained: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.world.settings.data_dir / "reports"

    def told(self, model: str) -> list[Happening]:
        return [one for one in read_history(self.folder) if one.model == model]


def make_world(root: Path) -> World:
    """An empty world, in a folder that counts as a project's root."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "feature_store.yaml").touch()
    return World(Settings(root=root, data_dir=root / ".rapport"))


def _record(
    name: str, at_us: int, row: dict[str, float | None], model: str, version: str, degraded: tuple[str, ...]
) -> DecisionRecord:
    score = row.pop("score")
    assert score is not None
    return DecisionRecord(
        decision_id=name,
        as_of=from_us(at_us),
        segment="Champions",
        activity=None,
        sentiment=Sentiment(),
        scores={model: score},
        tone="neutral",
        template_id="hello",
        template=RenderedTemplate("en", "Hello"),
        rule="default",
        reasons=[],
        model_versions={model: version},
        feature_age_s=1.0,
        degraded=list(degraded),
        customer_id="c1",
        features=dict(row),
        latency_ms=1.0,
    )
