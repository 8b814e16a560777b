"""Every metric of the flows and of what surrounds them: name, kind, labels, meaning."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AUDIT", "FLOW", "INSTALLATION", "Described"]


class Described(NamedTuple):
    """A metric. Counters are exported with `_total`, histograms as `_bucket`, `_sum` and `_count`."""

    kind: str
    labels: tuple[str, ...]
    meaning: str


_STAGE = ("process", "stage")
_TOPIC = (*_STAGE, "topic")

FLOW = {
    "rapport_flow_start_timestamp_seconds": Described("gauge", ("process",), "When the process started"),
    "rapport_flow_heartbeat_timestamp_seconds": Described(
        "gauge", _STAGE, "When the stage's loop last turned, with or without work"
    ),
    "rapport_flow_progress_timestamp_seconds": Described("gauge", _TOPIC, "When the stage last finished a batch"),
    "rapport_flow_events": Described("counter", _TOPIC, "Events that the stage has done, accepted or not"),
    "rapport_flow_records": Described("counter", _TOPIC, "Records of the bus that held them: events, or blocks"),
    "rapport_flow_rewinds": Described("counter", _TOPIC, "Times that a partition was read again, after a failure"),
    "rapport_flow_batch_events": Described("histogram", _TOPIC, "Events of a batch"),
    "rapport_flow_batch_seconds": Described(
        "histogram", _TOPIC, "Work on a batch, waiting for Redis included: checked, applied, or appended"
    ),
    "rapport_flow_delay_seconds": Described(
        "histogram", _TOPIC, "From an event's arrival on the bus until the stage was done with it"
    ),
    "rapport_flow_lateness_seconds": Described(
        "histogram", _TOPIC, "From an accepted event's own time until its arrival, by the world's clock"
    ),
    "rapport_flow_dead_letters": Described(
        "counter", (*_TOPIC, "reason"), "Records that became dead letters; reason duplicate: repeated events"
    ),
    "rapport_online_rows": Described(
        "counter", (*_TOPIC, "result"), "Customers' rows: written, reloaded, replayed, damaged; fenced: batches"
    ),
}

INSTALLATION = {
    "rapport_bus_up": Described("gauge", (), "1 when the bus told how far its groups are"),
    "rapport_lag_events": Described(
        "gauge", ("group", "topic", "partition"), "Events that the group has not done yet; on Kafka records"
    ),
    "rapport_redis_up": Described("gauge", (), "1 when Redis answers"),
    "rapport_redis_memory_bytes": Described("gauge", (), "Memory that Redis uses"),
    "rapport_redis_memory_limit_bytes": Described("gauge", (), "What it may use: maxmemory, or the machine's memory"),
    "rapport_disk_bytes": Described("gauge", (), "Size of the disk with the data folder"),
    "rapport_disk_free_bytes": Described("gauge", (), "What is free of it"),
    "rapport_service_up": Described("gauge", ("service",), "1 when the supervisor finds that the process works"),
    "rapport_service_restarts": Described("counter", ("service",), "Times that the supervisor started it again"),
    "rapport_service_cpu_seconds": Described(
        "counter", ("service",), "Processor time of the process and those it started"
    ),
    "rapport_service_memory_bytes": Described(
        "gauge", ("service",), "Resident memory of the process and those it started"
    ),
}

AUDIT = {
    "rapport_audit_timestamp_seconds": Described("gauge", (), "When the newest audit was made"),
    "rapport_audit_seconds": Described("gauge", (), "How long it took"),
    "rapport_audit_findings": Described(
        "gauge", ("topic", "check", "severity"), "Open findings of the newest audit; severity alarm, warning or info"
    ),
    "rapport_audit_new_findings": Described("gauge", ("topic",), "Those that the audit before did not have"),
    "rapport_audit_learning": Described("gauge", ("topic",), "1 while there is too little history to judge everything"),
    "rapport_audit_events": Described("gauge", ("topic",), "Events of the audited window"),
    "rapport_audit_last_week_events": Described("gauge", ("topic",), "Events of the same window last week"),
    "rapport_audit_missing_share": Described("gauge", ("topic", "field"), "Share of the events without the field"),
    "rapport_audit_refused_share": Described(
        "gauge", ("topic", "reason"), "Dead letters, as a share of them and the events"
    ),
    "rapport_audit_duplicate_share": Described(
        "gauge", ("topic", "kind"), "Share of the events by kind: repeats, conflicts, twins"
    ),
    "rapport_audit_late_share": Described("gauge", ("topic",), "Share of the events later than RAPPORT_AUDIT_LATE_S"),
    "rapport_audit_ahead_share": Described("gauge", ("topic",), "Share of the events that claim a time after arrival"),
}
