"""The process that Prometheus asks: it reads what the flows wrote, looks around, and answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rapport.access import Gate
from rapport.access.safety import require_safe
from rapport.access.scopes import METRICS_READ
from rapport.access.tls import server_context
from rapport.access.wsgi import guarded
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
    """Answer `GET /metrics` until `stop` is set; in production to those who may read metrics.

    Raises:
        SettingsError: the settings are not safe.
        ServiceError: the port is taken.
    """
    require_safe(settings)
    port = settings.port + METRICS_OFFSET
    app = guarded(make_wsgi_app(make_registry(settings)), Gate(settings), METRICS_READ)
    try:
        server = make_server(settings.host, port, app, _server_class(settings.host), _Silent)
    except OSError as error:
        raise ServiceError(
            f"port {port} of {settings.host} cannot be bound ({error.strerror}): stop what uses it, or set "
            "RAPPORT_PORT to another one"
        ) from error
    context = server_context(settings)
    if context is not None:
        # the handshake is the request's thread's, or one slow client would hold up all
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    stop.wait()
    server.shutdown()
    server.server_close()
    thread.join()


class _Silent(WSGIRequestHandler):
    """Writes no line per request: it would hold addresses."""

    timeout = 10.0

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server
