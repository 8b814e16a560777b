"""The processes of `rapport up`: what each is, in what order, and how it is asked whether it works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from rapport.embedded import EmbeddedRedis, redis_url
from rapport.settings import Settings
from rapport.supervisor.service import Check, Service, command, http_answers
from rapport.supervisor.state import Wanted
from rapport.triggers.file import topics_in

__all__ = ["METRICS_OFFSET", "installation", "workers_of"]

_WORKER = "flows"
_SERVICE_ENDS_S = 20.0
"""Longest time that the decision service takes to end once it takes no more connections."""
METRICS_OFFSET = 4
"""The port of `rapport metrics --serve` comes this far after the decision service's."""


def installation(settings: Settings, wanted: Wanted) -> list[Service]:
    """The services of one machine. Redis first unless it is someone else's; then flows; then what reads from them."""
    workers = [_worker(settings, index) for index in range(settings.workers)]
    services = [*workers, _archive(settings), _rebuild(settings), _service(settings), _metrics(settings)]
    if not settings.redis_url:
        services.append(_redis(settings))
    if topics_in(settings.root):
        services.append(_flow(settings, "triggers", "flows.triggers:flow"))
    if wanted.watch:
        services.append(_watch(settings))
    if wanted.ui:
        services += [_feast_ui(settings), _mlflow_ui(settings), _evidently_ui(settings)]
    return services


def _redis(settings: Settings) -> Service:
    server = EmbeddedRedis(settings.data_dir / "redis", memory_mb=settings.redis_memory_mb)

    def launch(log: BinaryIO, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return server.spawn(log)

    return Service("redis", launch, redis_answers(settings), stage=0, address="unix socket", patient=True, grace_s=30)


def redis_answers(settings: Settings) -> Check:
    """A check that Redis answers, its data loaded."""

    def check() -> str:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        url = redis_url(settings)
        with redis.Redis.from_url(
            url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        ) as client:
            try:
                client.ping()
            except redis.RedisError as error:
                return str(error)
        return ""

    return check


def _worker(settings: Settings, index: int) -> Service:
    name = _WORKER if index == 0 else f"{_WORKER}-{index + 1}"
    return _flow(settings, name, f"flows.worker:flow({index}, {settings.workers})")


def _archive(settings: Settings) -> Service:
    return _flow(settings, "archive", "flows.archive:flow")


def _flow(settings: Settings, name: str, flow: str) -> Service:
    argv = [sys.executable, "-m", "bytewax.run", flow]
    return Service(name, command(argv, folder=settings.root), stage=1, steady_s=1.5, grace_s=20)


def workers_of(names: Iterable[str]) -> int:
    """How many of the services are workers."""
    return sum(name.partition("-")[0] == _WORKER for name in names)


def _service(settings: Settings) -> Service:
    return Service(
        "service",
        command([sys.executable, "-m", "bentos"], folder=settings.root),
        http_answers(settings.host, settings.port, "/readyz", tls=bool(settings.tls_cert_file)),
        stage=2,
        address=f"{settings.scheme}://{settings.host}:{settings.port}",
        port=settings.port,
        grace_s=settings.drain_s + _SERVICE_ENDS_S,
    )


def _rebuild(settings: Settings) -> Service:
    """What adds their past to views that a flow begins late; asleep but for a look at Redis now and then."""
    argv = [sys.executable, "-m", "rapport.cli", "rebuild", "--watch"]
    return Service("rebuild", command(argv, folder=settings.root), stage=2, steady_s=0.5)


def _metrics(settings: Settings) -> Service:
    """Gives Prometheus what the flows write of themselves."""
    port = settings.port + METRICS_OFFSET
    argv = [sys.executable, "-m", "rapport.cli", "metrics", "--serve"]
    return Service(
        "metrics",
        command(argv, folder=settings.root),
        stage=2,
        address=f"{settings.scheme}://{settings.host}:{port}/metrics",
        port=port,
        steady_s=1.0,
    )


def _watch(settings: Settings) -> Service:
    argv = [sys.executable, "-m", "rapport.cli", "watch"]
    return Service("watch", command(argv, folder=settings.root), stage=2, steady_s=1.5)


def _feast_ui(settings: Settings) -> Service:
    code = "from feast.cli.cli import cli; cli()"
    argv = [sys.executable, "-c", code, "ui", "--host", "127.0.0.1", "--port", str(settings.port + 1)]
    return _page("feast-ui", settings, argv, 1)


def _mlflow_ui(settings: Settings) -> Service:
    folder = settings.data_dir / "mlflow"
    uri = settings.mlflow_uri or f"sqlite:///{folder / 'mlflow.db'}"
    argv = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--no-serve-artifacts"]
    argv += ["--default-artifact-root", str(folder / "artifacts")]
    argv += ["--host", "127.0.0.1", "--port", str(settings.port + 2), "--workers", "1"]
    return _page("mlflow-ui", settings, argv, 2, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


def _evidently_ui(settings: Settings) -> Service:
    argv = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(settings.data_dir / "evidently")]
    argv += ["--host", "127.0.0.1", "--port", str(settings.port + 3)]
    return _page("evidently-ui", settings, argv, 3)


def _page(name: str, settings: Settings, argv: list[str], offset: int, env: Mapping[str, str] | None = None) -> Service:
    port = settings.port + offset
    return Service(
        name,
        command(argv, folder=settings.root, env=env),
        http_answers("127.0.0.1", port, "/"),
        stage=2,
        address=f"http://127.0.0.1:{port}",
        port=port,
        grace_s=8,
    )
