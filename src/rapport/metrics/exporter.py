"""The process that Prometheus asks: it reads what the flows wrote, looks around, and answers."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rapport.errors import ServiceError
from rapport.metrics.around import Surroundings
from rapport.metrics.audits import audit_families
from rapport.metrics.families import flow_families
from rapport.metrics.snapshot import read_snapshots, snapshots_folder
from rapport.settings import Settings
from rapport.supervisor.installation import METRICS_OFFSET

__all__ = ["make_registry", "serve"]


class _Everything(Collector):
    def __init__(self, settings: Settings) -> None:
        self._folder = snapshots_folder(settings)
        self._surroundings = Surroundings(settings)
        self._audits = settings.data_dir / "reports" / "audit"
        # Two Prometheus servers may ask at the same time.
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking would need a bus that answers."""
        return []

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            flows = flow_families(read_snapshots(self._folder))
            return [*flows, *self._surroundings.families(), *audit_families(self._audits)]


def make_registry(settings: Settings) -> CollectorRegistry:
    """All metrics of an installation's flows and surroundings, made anew whenever they are asked for."""
    registry = CollectorRegistry()
    registry.register(_Everything(settings))
    return registry


def serve(settings: Settings, stop: threading.Event) -> None:
    """Answer `GET /metrics` until `stop` is set.

    Raises:
        ServiceError: the port is taken.
    """
    port = settings.port + METRICS_OFFSET
    try:
        server, thread = start_http_server(port, settings.host, make_registry(settings))
    except OSError as error:
        raise ServiceError(
            f"port {port} of {settings.host} cannot be bound ({error.strerror}): stop what uses it, or set "
            "RAPPORT_PORT to another one"
        ) from error
    stop.wait()
    server.shutdown()
    server.server_close()
    thread.join()
