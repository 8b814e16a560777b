"""`python -m bentos [--port PORT]`: the decision service with Rapport's settings; becomes `bentoml serve`."""

from __future__ import annotations

import argparse
import os
import sys

from rapport.settings import Settings, disable_telemetry, load_settings

__all__ = ["serve_command"]

GRACE_S = 5


def serve_command(settings: Settings, port: int | None = None) -> list[str]:
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
        str(port or settings.port),
        "--timeout-graceful-shutdown",
        str(GRACE_S),
        "--working-dir",
        str(settings.root),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bentos", description="Serve decisions over HTTP.")
    parser.add_argument("--port", type=int, help="default: RAPPORT_PORT, 8400")
    port = parser.parse_args().port
    settings = load_settings()
    disable_telemetry()
    # BentoML keeps its files in the home folder otherwise
    os.environ.setdefault("BENTOML_HOME", str(settings.data_dir / "bentoml"))
    command = serve_command(settings, port)
    os.execv(command[0], command)  # noqa: S606 - the command is ours


if __name__ == "__main__":
    main()
