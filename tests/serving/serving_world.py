"""A project of its own with a real Redis, real features, real models and the real service; a module of helpers."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pandas as pd
import redis

from rapport.bus.protocol import Position
from rapport.embedded import EmbeddedRedis
from rapport.models import FeatureSpec, Manifest, Pointer, RfmThresholds, sha256_of, write_manifest, write_pointer
from rapport.models.declared import fingerprints_of
from rapport.models.segments import ActivityClusters, SegmentModel
from rapport.online import OnlineWriter
from rapport.windows import Events, Kind, column_of, compile_view

ROOT = Path(__file__).parents[2]
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
_KINDS = {Kind.INT: "int", Kind.FLOAT: "float", Kind.BOOL: "bool"}


def now_us() -> int:
    return time.time_ns() // 1_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], bool], why: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


class Project:
    """A folder with the repository's own declarations applied, and its Redis."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / ".rapport"
        shutil.copy(ROOT / "feature_store.yaml", root)
        shutil.copytree(ROOT / "feature_repo", root / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
        self.redis = EmbeddedRedis(self.data / "redis")
        self.redis.start()
        self._positions = 0

    def apply(self) -> None:
        """`feast apply`, in this process."""
        from feast import Entity, FeatureService, FeatureView, StreamFeatureView

        from feature_repo import entities, services, views

        kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
        found = [value for module in (entities, views, services) for value in vars(module).values()]
        self._store().apply(list({id(value): value for value in found if isinstance(value, kinds)}.values()))

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis.url, socket_timeout=5)

    def put_events(
        self, topic: str, view_names: Sequence[str], events: Sequence[tuple[str, int, dict[str, Any]]]
    ) -> None:
        """Events (customer id, event time, columns) into the rows of some views, as the features flow does it."""
        from feature_repo import views
        from rapport.feast.declare import view_of

        plans = [compile_view(view_of(getattr(views, name))) for name in view_names]
        kinds = {column: plan.view.kinds[column] for plan in plans for column in plan.columns}
        columns = {name: column_of(kind, [values.get(name) for _, _, values in events]) for name, kind in kinds.items()}
        positions = [Position(1, self._positions + number) for number in range(1, len(events) + 1)]
        self._positions += len(events)
        times = np.array([time_us for _, time_us, _ in events], np.int64)
        with self.client() as client:
            OnlineWriter(client, "rapport", plans).apply(
                [customer for customer, _, _ in events], positions, 0, Events(times, columns)
            )

    def push_profile(self, customer_id: str, **values: Any) -> None:
        """A profile, as other systems push it."""
        row = {"tier": "gold", "locale": "de-AT", "signup_day": 19_000, "personalization_consent": True, **values}
        frame = pd.DataFrame([{"customer_id": customer_id, "event_time": pd.Timestamp.now("UTC"), **row}])
        self._store().write_to_online_store("profile", frame)

    def _store(self) -> Any:
        from feast import FeatureStore

        return FeatureStore(repo_path=str(self.root))


class Models:
    """Model folders under `<data>/models`, built small and for real."""

    def __init__(self, folder: Path) -> None:
        from feature_repo import services, views

        self.folder = folder
        every = [views.click_activity, views.carts, views.purchases, views.rfm, views.conversation, views.tickets]
        self._fingerprints = fingerprints_of([*every, views.satisfaction])
        self._services = {
            "purchase_propensity": services.purchase_propensity,
            "escalation_risk": services.escalation_risk,
        }

    def build(self, name: str, version: str, seed: int = 0) -> None:
        """Train a small model on noise and write its folder."""
        import xgboost

        specs = _specs(self._services[name])
        random = np.random.default_rng(seed)
        matrix = random.normal(size=(400, len(specs)))
        label = (matrix[:, 0] + matrix[:, 1] + random.normal(size=400) > 0).astype(float)
        data = xgboost.DMatrix(
            matrix,
            label,
            feature_names=[spec.name for spec in specs],
            feature_types=[{"int": "int", "float": "float", "bool": "i"}[spec.kind] for spec in specs],
        )
        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 20)
        folder = self.folder / name / version
        folder.mkdir(parents=True)
        booster.save_model(folder / "model.ubj")
        self._manifest(folder, name, version, "xgboost", specs, ["model.ubj"])

    def build_segments(self, version: str) -> None:
        from feature_repo import services

        specs = [spec for spec in _specs(services.personalization) if spec.view in ("rfm", "click_activity")]
        counts = ("click_activity__clicks_1h", "click_activity__clicks_30d")
        model = SegmentModel(
            RfmThresholds.fit(
                [3_600.0 * n for n in range(100)], [n / 10 for n in range(100)], [1e6 * n for n in range(100)]
            ),
            ActivityClusters(counts, (0.0, 0.0), (1.0, 1.0), ((0.0, 0.0), (3.0, 4.0)), ("quiet", "busy"), (50, 50)),
        )
        folder = self.folder / "segments" / version
        folder.mkdir(parents=True)
        (folder / "segments.json").write_bytes(msgspec.json.encode(model))
        self._manifest(folder, "segments", version, "segments", specs, ["segments.json"])

    def promote(self, name: str, version: str) -> None:
        digest = sha256_of(self.folder / name / version / "manifest.json")
        write_pointer(self.folder / name, Pointer(version, digest))

    def retire(self, name: str) -> None:
        (self.folder / name / "champion.json").unlink(missing_ok=True)

    def _manifest(
        self, folder: Path, name: str, version: str, kind: Any, specs: Sequence[FeatureSpec], files: Sequence[str]
    ) -> None:
        views = {spec.view for spec in specs}
        write_manifest(
            folder,
            Manifest(
                name=name,
                version=version,
                kind=kind,
                created_us=1,
                service=name,
                features=tuple(specs),
                views={view: self._fingerprints[view] for view in views},
                files={file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files},
                trained_until_us=1,
                label="noise",
            ),
        )


class Served:
    """The service in a process of its own, and an HTTP client of it."""

    def __init__(self, project: Project, env: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.port = free_port()
        self.log = project.root / f"service-{self.port}.log"
        variables = {**os.environ, "RAPPORT_ROOT": str(project.root), **(env or {})}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bentos", "--port", str(self.port)],
                cwd=project.root,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def wait_ready(self) -> None:
        wait_for(self._ready, f"the service did not come up: {self.log.read_text()[-2000:]}", 120)

    def health(self) -> dict[str, Any]:
        return dict(self.http.get("/readyz").json())

    def wait_health(self, holds: Callable[[dict[str, Any]], bool], why: str, timeout_s: float = 15.0) -> None:
        wait_for(lambda: holds(self.health()), f"{why}: {self.health()}", timeout_s)

    def decide(self, customer_id: str, **session: str) -> dict[str, Any]:
        response = self.http.post("/personalize", json={"customer_id": customer_id, "session_data": session})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def metric(self, name: str) -> float:
        """The value of a sample, by its whole name with labels; 0 when it is not there."""
        lines = self.http.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        return self.process.wait(30)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False


def _specs(service: Any) -> list[FeatureSpec]:
    from feature_repo import views
    from rapport.feast.declare import view_of

    specs = []
    for projection in service.feature_view_projections:
        view = getattr(views, projection.name)
        if projection.name == "profile":
            continue
        plan = compile_view(view_of(view))
        kinds = dict(zip(plan.names, plan.kinds, strict=True))
        wanted = [field.name for field in projection.features if kinds[field.name] is not Kind.STRING]
        specs += [FeatureSpec(f"{projection.name}__{name}", _KINDS[kinds[name]]) for name in wanted]
    return specs
