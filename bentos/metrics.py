"""Counters of one worker, and their Prometheus text.

Plain numbers, because the hot path pays for them: prometheus_client's own values are written to shared files under
BentoML, ten times slower. One worker serves a port, so nothing is to be summed over processes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["LATENCY_BUCKETS_S", "Histogram", "Metrics", "render"]

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


@dataclass(slots=True)
class Histogram:
    """Counts per bucket (upper limits LATENCY_BUCKETS_S, then infinity) and the sum, seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))
    total_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        self.total_s += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        limits = [*(str(limit) for limit in LATENCY_BUCKETS_S), "+Inf"]
        running = 0
        buckets: list[tuple[str, float]] = []
        for limit, count in zip(limits, self.counts, strict=True):
            running += count
            buckets.append((limit, running))
        return buckets


@dataclass(slots=True)
class Metrics:
    """What the service counts."""

    decisions: int = 0
    latency: Histogram = field(default_factory=Histogram)
    waits: Histogram = field(default_factory=Histogram)
    """How long requests had waited for their turn when their decision began."""
    degraded: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    store_errors: Counter[str] = field(default_factory=Counter)
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(topic, accepted, the refusal's reason, or repeated: of a numbered batch that was there) to events."""
    webhooks: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, the answer's status or the reason why it was refused) to requests."""
    batch_turns: Counter[str] = field(default_factory=Counter)
    """decided or refused to turns of batches; those that were decided are decisions, too."""
    chatbots: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(platform, what became of a turn, of its message, or of feedback) to how often."""
    inference: Histogram = field(default_factory=Histogram)
    """Of requests of the Open Inference Protocol."""
    inferred: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(model, version) to rows that were asked for by the Open Inference Protocol."""
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(path, HTTP status) to answers."""
    gauges: Callable[[], Mapping[str, float]] = dict
    """Name to value of what is looked up when the metrics are read."""
    circuit_opened: Callable[[], int] = int
    """How often the online store has come to be left alone."""
    lost_records: Callable[[], tuple[int, int]] = lambda: (0, 0)
    """Decision records (published, dropped)."""
    versions: Callable[[], Mapping[str, str]] = dict
    """Model to the version that serves."""
    policy: Callable[[], Mapping[str, str]] = dict
    """File of the policy to the version that decides."""


_GAUGES = {
    "rapport_decision_log_depth": "Decision records that wait for the bus",
    "rapport_decisions_deciding": "Decisions that have begun and not ended",
    "rapport_feature_store_circuit_open": "1 while the online store is not asked, because it did not answer",
    "rapport_intake_lag": "Events that wait for ingest, as last seen when some were given",
    "rapport_features_stale": "1 while events wait and nobody computes features from them",
    "rapport_policy_refused": "1 while the policy's files are wrong, so that those that worked last decide",
    "rapport_policy_loads": "How often files of a policy took over in this process",
}


class _Families(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        metrics = self._metrics
        yield CounterMetricFamily("rapport_decisions", "Decisions answered", value=metrics.decisions)
        yield _histogram("rapport_decision_seconds", "Time to decide, seconds", metrics.latency)
        yield _histogram("rapport_decision_wait_seconds", "Time that requests waited for their turn", metrics.waits)
        yield _counter("rapport_decisions_degraded", "Decisions by what they did without", "cause", metrics.degraded)
        yield _counter("rapport_decision_rules", "Decisions by the policy's rule", "rule", metrics.rules)
        yield _counter("rapport_batch_turns", "Turns of batches", "result", metrics.batch_turns)
        yield _counter("rapport_feature_store_errors", "Failed online reads", "kind", metrics.store_errors)
        opened = metrics.circuit_opened()
        yield CounterMetricFamily("rapport_feature_store_circuit_opened", "Times it opened", value=opened)
        yield _pairs("rapport_events", "Events given", ("topic", "result"), metrics.events.items())
        yield _pairs("rapport_webhooks", "Webhooks", ("source", "result"), metrics.webhooks.items())
        yield _pairs("rapport_chatbots", "Chatbots", ("platform", "result"), metrics.chatbots.items())
        yield _histogram("rapport_inference_seconds", "Time of an inference, seconds", metrics.inference)
        yield _pairs("rapport_inference_rows", "Rows of inferences", ("model", "version"), metrics.inferred.items())
        yield _pairs("rapport_http_answers", "HTTP answers", ("path", "status"), metrics.answers.items())
        published, dropped = metrics.lost_records()
        yield CounterMetricFamily("rapport_decision_log_published", "Decision records logged", value=published)
        yield CounterMetricFamily("rapport_decision_log_dropped", "Decision records lost", value=dropped)
        for name, value in metrics.gauges().items():
            yield GaugeMetricFamily(name, _GAUGES[name], value=value)
        model = GaugeMetricFamily("rapport_model_info", "The versions that serve", labels=("model", "version"))
        for pair in metrics.versions().items():
            model.add_metric(pair, 1)
        yield model
        policy = GaugeMetricFamily("rapport_policy_info", "The policy that decides", labels=("file", "version"))
        for pair in metrics.policy().items():
            policy.add_metric(pair, 1)
        yield policy


def render(metrics: Metrics, beside: Path | None = None) -> bytes:
    """Prometheus' text format, with the process's own memory and CPU, and the text of a file of the same format that
    another process keeps (none when it is not there)."""
    from prometheus_client import PlatformCollector, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Families(metrics))
    return generate_latest(registry) + _text(beside)


def _text(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b""
    except FileNotFoundError:
        return b""


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], histogram.cumulated(), histogram.total_s)
    return family


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family


def _pairs(name: str, text: str, labels: tuple[str, str], counts: Iterable[tuple[tuple[str, object], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for (first, second), count in sorted(counts, key=str):
        family.add_metric([first, str(second)], count)
    return family
