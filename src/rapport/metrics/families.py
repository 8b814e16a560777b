"""Snapshots of the flows as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from rapport.metrics.catalog import FLOW, Described
from rapport.metrics.snapshot import HistogramState, ProcessState, TopicState

__all__ = ["add_value", "empty", "flow_families"]

_NUMBERS: dict[str, Callable[[TopicState], float]] = {
    "rapport_flow_progress_timestamp_seconds": lambda topic: topic.progress_us / 1e6,
    "rapport_flow_events": lambda topic: topic.events,
    "rapport_flow_records": lambda topic: topic.records,
    "rapport_flow_rewinds": lambda topic: topic.rewinds,
}
_HISTOGRAMS: dict[str, Callable[[TopicState], HistogramState]] = {
    "rapport_flow_batch_events": lambda topic: topic.batch_events,
    "rapport_flow_batch_seconds": lambda topic: topic.batch_seconds,
    "rapport_flow_delay_seconds": lambda topic: topic.delay,
    "rapport_flow_lateness_seconds": lambda topic: topic.lateness,
}
_BY_LABEL: dict[str, Callable[[TopicState], Mapping[str, int]]] = {
    "rapport_flow_dead_letters": lambda topic: topic.dead,
    "rapport_online_rows": lambda topic: topic.rows,
}


def flow_families(processes: Sequence[ProcessState]) -> Iterable[Metric]:
    """The metrics of FLOW; one without a value is left out."""
    families = {name: empty(name, described) for name, described in FLOW.items()}
    for process in processes:
        add_value(families["rapport_flow_start_timestamp_seconds"], (process.process,), process.started_us / 1e6)
        for stage_name, stage in process.stages.items():
            labels = (process.process, stage_name)
            heartbeat = families["rapport_flow_heartbeat_timestamp_seconds"]
            add_value(heartbeat, labels, stage.heartbeat_us / 1e6)
            for topic_name, topic in stage.topics.items():
                _add_topic(families, (*labels, topic_name), topic)
    return [family for family in families.values() if family.samples]


def empty(name: str, described: Described) -> Metric:
    """The metric, without values."""
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    family: Metric = kinds[described.kind](name, described.meaning, labels=described.labels)
    return family


def add_value(family: Metric, labels: Sequence[str], value: float) -> None:
    """Add a value to a counter or a gauge."""
    assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
    family.add_metric(labels, value)


def _add_topic(families: Mapping[str, Metric], labels: tuple[str, ...], topic: TopicState) -> None:
    for name, number in _NUMBERS.items():
        add_value(families[name], labels, number(topic))
    for name, histogram in _HISTOGRAMS.items():
        _add_histogram(families[name], labels, histogram(topic))
    for name, counts in _BY_LABEL.items():
        for key, count in sorted(counts(topic).items()):
            add_value(families[name], (*labels, key), count)


def _add_histogram(family: Metric, labels: Sequence[str], state: HistogramState) -> None:
    """A histogram that has seen nothing is left out: most stages have no lateness, say."""
    assert isinstance(family, HistogramMetricFamily)
    if any(state.counts):
        limits = [*map(str, state.limits), "+Inf"]
        family.add_metric(labels, list(zip(limits, accumulate(state.counts), strict=True)), state.total)
