"""The BentoML service: `bentoml serve bentos.service:Personalization`, or `python -m bentos` with Rapport's settings.

JSON only: no API methods, no runners, nothing that unpickles. BentoML gives the process, its sockets and its workers;
the routes are an ASGI application mounted in it, which halves the latency of an API method.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import bentoml

from bentos.admin_port import AdminPort
from bentos.api import Api
from bentos.drain import Drain
from bentos.front import Front
from bentos.listening import Listening
from rapport.access import require_safe
from rapport.settings import disable_telemetry, load_settings

__all__ = ["Personalization"]

# This module is the entry point of BentoML's processes: nothing earlier can do it.
disable_telemetry()

SWITCH_INTERVAL_S = 0.0005

_api = Api()


@bentoml.service(
    name="rapport",
    workers=1,
    # Its OpenTelemetry middleware costs a third of the latency even when nobody listens.
    tracing={"excluded_urls": ".*"},
    # No request is allowed to last; each of BentoML's timers lives that long.
    traffic={"timeout": 15},
    # /metrics is the application's; one line per request costs more than a decision, and holds addresses.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    http={"host": "127.0.0.1", "port": 8400, "cors": {"enabled": False}},
)
@bentoml.asgi_app(_api.app, path="/", name="api")
class _Personalization:
    """Decisions for chatbots."""

    _admin_port: AdminPort | None = None

    @bentoml.on_startup
    async def begin(self) -> None:
        # BentoML imports this module in two processes, and only one of them serves
        from bentos.runtime import Runtime

        # uvicorn prepares a line for each answer, though nobody is to write it
        logging.getLogger("uvicorn.access").propagate = False
        # what runs in threads gives way to a decision within a millisecond, not five
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        settings = load_settings()
        require_safe(settings)
        runtime = Runtime(settings)
        await runtime.start()
        _api.runtime = runtime
        listening = Listening.found()
        if listening is not None:
            listening.answer_hot(_api.hot, lambda: _api.is_ending)
            _api.drain = Drain(listening, settings.drain_s)
            _api.drain.arm()
        if runtime.has_admin_port:
            self._admin_port = AdminPort(settings, _api.admin_app)
            self._admin_port.start()

    @bentoml.on_shutdown
    async def end(self) -> None:
        if self._admin_port is not None:
            await self._admin_port.stop()
        if _api.runtime is not None:
            await _api.runtime.stop()

    async def __is_ready__(self) -> bool:
        return _api.runtime is not None and _api.runtime.health().ready


Personalization: Any = _Personalization
Personalization.add_asgi_middleware(Front, api=_api)
