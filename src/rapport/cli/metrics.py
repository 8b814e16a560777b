"""metrics: what Prometheus is told of the flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import settings_now

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["metrics"]


def metrics(
    serve: Annotated[bool, typer.Option("--serve", help="Stay, and answer Prometheus, as `rapport up` does.")] = False,
) -> None:
    """Print the metrics of the flows and of what surrounds them, in Prometheus' text format.

    `rapport up` serves them on the port that is 4 after the decision service's. The service's own are on its port.

    Example: rapport metrics
    """
    settings = settings_now()
    if serve:
        _serve(settings)
        return
    from prometheus_client import generate_latest

    from rapport.metrics.exporter import make_registry

    typer.echo(generate_latest(make_registry(settings)).decode(), nl=False)


def _serve(settings: Settings) -> None:
    import signal
    import threading

    from rapport.metrics.exporter import serve

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(settings, stop)
