"""`python -m bentos [--port PORT]`: the decision service with Rapport's settings; becomes `bentoml serve`."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys

from rapport.access import require_safe
from rapport.access.tls import CIPHERS
from rapport.errors import SettingsError
from rapport.processes import HELPLESS
from rapport.settings import Settings, disable_telemetry, load_settings

__all__ = ["serve_command"]

GRACE_S = 5


def serve_command(settings: Settings) -> list[str]:
    """The command that serves, as an argument list."""
    return [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "bentos.service:Personalization",
        "--host",
        settings.host,
        "--port",
        str(settings.port),
        "--timeout-graceful-shutdown",
        str(GRACE_S),
        "--working-dir",
        str(settings.root),
        *_tls(settings),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bentos", description="Serve decisions over HTTP.")
    parser.add_argument("--port", type=int, help="default: RAPPORT_PORT, 8400")
    port = parser.parse_args().port
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if port is not None:
        # the process that serves reads the settings again
        os.environ["RAPPORT_PORT"] = str(port)
    settings = load_settings()
    try:
        require_safe(settings)
    except SettingsError as error:
        logging.getLogger(__name__).critical("%s", error)
        sys.exit(HELPLESS)
    disable_telemetry()
    _allow_connections()
    # BentoML keeps its files in the home folder otherwise
    os.environ.setdefault("BENTOML_HOME", str(settings.data_dir / "bentoml"))
    command = serve_command(settings)
    os.execv(command[0], command)  # noqa: S606 - the command is ours


def _allow_connections() -> None:
    """Each connection is an open file, and systems let a process have 1,024 unless it asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tls(settings: Settings) -> list[str]:
    if not settings.tls_cert_file:
        return []
    cert, key = settings.root / settings.tls_cert_file, settings.root / settings.tls_key_file
    # BentoML's own default of ciphers is one of TLS 1.0
    return ["--ssl-certfile", str(cert), "--ssl-keyfile", str(key), "--ssl-ciphers", CIPHERS]


if __name__ == "__main__":
    main()
