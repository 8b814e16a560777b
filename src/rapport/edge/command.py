"""The command `rapport-edge`: its options, and what runs."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rapport.access.files import read_secret_line
from rapport.clock import SystemClock
from rapport.edge.figures import Figures
from rapport.edge.keeper import Keeper
from rapport.edge.lines import keep_lines
from rapport.edge.rules import Noise, load_rules
from rapport.edge.spool import Spool
from rapport.edge.uplink import Forwarder, Uplink
from rapport.errors import RapportError, SettingsError
from rapport.events.schema import TOPICS

__all__ = ["main", "parser"]

MEGABYTE = 1024 * 1024
_LEAST_MB = 4
_LAST_SEND_S = 35.0
"""A little longer than a send may take."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="rapport-edge",
        description="Take events beside their producers, check them, drop noise, and forward them in batches; while "
        "the decision service does not answer they wait on disk.",
    )
    made.add_argument("--uplink", metavar="URL", required=True, help="the decision service, as http://127.0.0.1:8400")
    made.add_argument("--data", metavar="DIR", type=Path, required=True, help="the buffer's folder")
    made.add_argument("--host", default="127.0.0.1", help="address that POST /events is served at (127.0.0.1)")
    made.add_argument("--port", type=int, default=8410, help="its port (8410)")
    made.add_argument("--rules", metavar="FILE", type=Path, help="YAML file of the rules that drop noise")
    made.add_argument(
        "--max-mb", metavar="N", type=int, default=1024, help="most megabytes on disk (1024); beyond, 429"
    )
    made.add_argument(
        "--linger-ms", metavar="N", type=int, default=200, help="how long an event may wait for its batch (200)"
    )
    made.add_argument("--ca-file", metavar="FILE", type=Path, help="certificates (PEM) to trust; else the system's")
    made.add_argument("--key-file", metavar="FILE", type=Path, help="file with the API key that the uplink asks for")
    made.add_argument(
        "--stdin", metavar="TOPIC", choices=TOPICS, help="take events of a topic from stdin, one a line, not over HTTP"
    )
    made.add_argument(
        "--no-sync",
        action="store_true",
        help="answer before the disk has an event: it survives the process, not the machine",
    )
    made.add_argument(
        "--new-name", action="store_true", help="send what waits under a new name, after the folder was restored"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        return _run(options)
    except RapportError as error:
        sys.stderr.write(f"rapport-edge: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.max_mb < _LEAST_MB:
        raise SettingsError(f"--max-mb {options.max_mb} is too little: {_LEAST_MB} or more is allowed")
    if not 1 <= options.linger_ms <= 60_000:
        raise SettingsError(f"--linger-ms {options.linger_ms} is out of range: 1 to 60000 is allowed")
    noise = Noise(load_rules(options.rules) if options.rules else [])
    key = read_secret_line(options.key_file, "--key-file") if options.key_file else ""
    uplink = Uplink(options.uplink, options.ca_file, key)
    spool = Spool(options.data, options.max_mb * MEGABYTE, sync=not options.no_sync)
    if options.new_name:
        spool.rename()
    figures = Figures()
    keeper = Keeper(spool, noise, SystemClock(), figures)
    forwarder = Forwarder(spool, uplink, figures, options.linger_ms / 1e3)
    forwarder.start()
    try:
        if options.stdin:
            keep_lines(sys.stdin.buffer, options.stdin, keeper, spool)
        else:
            _serve(options, spool, keeper, figures)
    finally:
        keeper.close()
        forwarder.stop()
        forwarder.join(_LAST_SEND_S)
        spool.close()
    return 0


def _serve(options: argparse.Namespace, spool: Spool, keeper: Keeper, figures: Figures) -> None:
    import uvicorn

    from rapport.edge.app import App

    config = uvicorn.Config(
        App(spool, keeper, figures),
        host=options.host,
        port=options.port,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=100,
        timeout_graceful_shutdown=10,
    )
    # The server gives the signal that ended it to whoever had it before; what comes after it is to run.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        asyncio.run(uvicorn.Server(config).serve())
    except SystemExit:
        raise SettingsError(
            f"{options.host}:{options.port} cannot be served: choose another --host or --port"
        ) from None
