"""What decisions are measured on: the repository's own declarations, a customer known to every view, and champions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rapport.testing.models import NoiseModels
from rapport.testing.project import Project

__all__ = ["MODELS", "ROOT", "serving_project"]

ROOT = Path(__file__).parents[1]
MODELS = ("purchase_propensity", "escalation_risk")
HOUR_US = 3_600_000_000


@contextmanager
def serving_project(root: Path) -> Iterator[Project]:
    """A project with a customer known to every view and all models, ready to be served."""
    project = Project(root, ROOT)
    try:
        project.apply(_declared())
        now = time.time_ns() // 1_000
        every = [now - n * HOUR_US for n in range(1, 30)]
        project.put_events("customer_clicks", [("ann", at, {"view": True, "product_id": f"p{at % 7}"}) for at in every])
        order = {"amount_micros": 9_000_000, "quantity": 1, "order_day": 1}
        project.put_events("purchase_events", [("ann", at, {"order_id": f"o{at}", **order}) for at in every])
        said = {"message": True, "sentiment": 0.1, "negative": False, "frustration": 0.1}
        project.put_events("chat_messages", [("ann", at, {**said, "query": f"q{at % 9}"}) for at in every])
        project.put_events("support_tickets", [("ann", every[0], {"opened": True, "open_change": 1})])
        project.put_events("feedback", [("ann", every[0], {"csat": 4, "low_csat": False})])
        project.push_profile("ann")
        _champions(project)
        yield project
    finally:
        project.redis.stop()


def _champions(project: Project) -> None:
    """Two models of 200 trees in ONNX Runtime, and segments."""
    from training.onnx_export import to_onnx

    models = NoiseModels(project, to_onnx)
    for name in MODELS:
        models.build(name, "1", trees=200)
        models.promote(name, "1")
    models.build_segments("1")
    models.promote("segments", "1")


def _declared() -> Sequence[object]:
    from feast import Entity, FeatureService, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    return list({id(value): value for value in found if isinstance(value, kinds)}.values())
