"""Decisions of nothing in particular, for tests of what keeps them."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.decisions import DecisionRecord, RenderedTemplate, Sentiment

__all__ = ["decided"]


def decided(number: int) -> DecisionRecord:
    """The record of decision `d<number>`, on ann, of whom two features are known."""
    return DecisionRecord(
        decision_id=f"d{number:03}",
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
        segment="Unknown",
        activity=None,
        sentiment=Sentiment(),
        scores={},
        tone="neutral",
        template_id="a",
        template=RenderedTemplate("en", "Hi"),
        rule="default",
        reasons=[],
        model_versions={},
        feature_age_s=None,
        degraded=[],
        customer_id="ann",
        features={"rfm__frequency": 1.0, "profile__tier": None},
        latency_ms=1.0,
    )
