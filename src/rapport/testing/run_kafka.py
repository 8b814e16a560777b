"""A broker to try things with: `make kafka`. It runs until Ctrl-C, and finds its topics again the next time."""

from __future__ import annotations

import signal
import sys

from rapport.errors import ServiceError
from rapport.testing.kafka import KafkaServer, kafka_jars

__all__ = ["main"]


def main() -> int:
    """Start it, say how it is used, and wait."""
    try:
        jars = kafka_jars()
        server = KafkaServer(jars.parent / "kafka-data", jars)
        signals = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        with server:
            sys.stdout.write(
                f"Kafka runs in process {server.pid}, its data in {jars.parent / 'kafka-data'}\n"
                f"  for an installation:  export RAPPORT_BUS_URL=kafka://{server.bootstrap}\n"
                f"  for the tests:        export RAPPORT_KAFKA={server.bootstrap}\n"
                "Ctrl-C stops it.\n"
            )
            sys.stdout.flush()
            signal.sigwait(signals)
    except ServiceError as error:
        sys.stderr.write(f"make kafka: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
