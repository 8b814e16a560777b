"""The way to the decision service: one batch at a time, each until it is answered."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import random
import ssl
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rapport.edge.figures import Figures
from rapport.edge.records import Kept
from rapport.edge.spool import Segment, Spool
from rapport.errors import EdgeError, SettingsError
from rapport.intake.bodies import BATCH_HEADER, SENDER_HEADER, Given
from rapport.intake.columns import COLUMNS, pack_columns
from rapport.quiet import log_failure

__all__ = ["Forwarder", "Uplink", "body_of"]

_TIMEOUT_S = 30.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
_LONGEST_ASKED_S = 300
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_log = logging.getLogger(__name__)


class Said(NamedTuple):
    """What came of sending a batch."""

    taken: bool = False
    later_s: float | None = None
    """When to come back, if the service has said so."""
    hopeless: bool = False
    """Sending the same again gives the same."""
    number_used: bool = False
    why: str = ""


class Uplink:
    """Sends batches to `POST /events` of one decision service over a kept-alive connection. Of one thread.

    Args:
        url: the service's address, http or https.
        ca_file: certificates (PEM) to trust; None: the system's.
        key: an API key with the scope events:write; "" none.

    Raises:
        SettingsError: the address is none.
    """

    def __init__(self, url: str, ca_file: Path | None = None, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise SettingsError(
                f"--uplink {url!r} is no address; it is as http://127.0.0.1:8400 or https://rapport.shop"
            )
        self._login = {"Authorization": f"Bearer {key}"} if key else {}
        self.path = parts.path.rstrip("/") + "/events"
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)

    def send(self, sender: str, number: int, body: bytes) -> Said:
        """Send a batch, packed, once."""
        headers = {
            "Content-Type": COLUMNS,
            "Content-Encoding": "gzip",
            SENDER_HEADER: sender,
            BATCH_HEADER: str(number),
            **self._login,
        }
        try:
            self._connection.request("POST", self.path, body, headers)
            response = self._connection.getresponse()
            content = response.read(_MAX_ANSWER_BYTES)
            if response.will_close or not response.isclosed():
                self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Said(why=f"the decision service does not answer: {error or type(error).__name__}")
        return _said(response.status, response.headers.get("Retry-After", ""), content)

    def close(self) -> None:
        self._connection.close()


class Forwarder(threading.Thread):
    """Forwards the buffer, oldest segment first, until it is told to stop.

    Args:
        spool: the buffer.
        uplink: the way.
        figures: counts batches, and says what is wrong.
        linger_s: how long an event may wait for others of its batch, seconds.
    """

    def __init__(self, spool: Spool, uplink: Uplink, figures: Figures, linger_s: float) -> None:
        super().__init__(name="forwarder", daemon=True)
        self._spool = spool
        self._uplink = uplink
        self._figures = figures
        self._linger_s = linger_s
        self._halt = threading.Event()
        self._failures = 0

    def run(self) -> None:
        while not self._halt.is_set():
            segment = self._spool.seal(after_s=self._linger_s)
            if segment is None:
                self._spool.wait(max(0.01, self._linger_s / 2))
                continue
            try:
                self._forward(segment)
            except Exception as error:  # the thread's entry point: it goes on, and says so
                log_failure(_log, error, "forwarding failed")
                self._failed(f"{type(error).__name__}, as the log says", None)
        self._uplink.close()

    def stop(self) -> None:
        """End after the batch that is on its way."""
        self._halt.set()

    def _forward(self, segment: Segment) -> None:
        try:
            body = body_of(segment.read())
        except EdgeError as error:
            self._set_aside(segment, str(error))
            return
        packed = gzip.compress(body, 6, mtime=0)
        started_s = time.monotonic()
        said = self._uplink.send(self._spool.sender, segment.number, packed)
        if said.taken:
            self._spool.done(segment)
            self._figures.add("forwarded_events_total", segment.events)
            self._figures.add("forwarded_batches_total")
            self._figures.add("forwarded_bytes_total", len(packed))
            if self._figures.problem:
                _log.info("forwarding: %d events in %.3f s", segment.events, time.monotonic() - started_s)
            self._figures.problem, self._failures = "", 0
        elif said.hopeless:
            self._set_aside(segment, said.why)
        elif said.number_used:
            self._failed(f"{said.why}. Start it with --new-name once you know what the folder's copy has sent", None)
        else:
            self._failed(said.why, said.later_s)

    def _set_aside(self, segment: Segment, why: str) -> None:
        place = self._spool.set_aside(segment, why)
        self._figures.add("set_aside_events_total", segment.events)
        _log.error("%d events are set aside, in %s: %s", segment.events, place, why)

    def _failed(self, why: str, later_s: float | None) -> None:
        if why != self._figures.problem:
            _log.warning("not forwarded: %s", why)
        self._figures.problem = why
        self._figures.add("failed_sends_total")
        self._failures += 1
        longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._failures, 20))
        # Half of it is drawn, so that many edges do not come back at once.
        drawn = 0.5 + random.random() / 2  # noqa: S311 - no secret
        self._halt.wait(longest_s * drawn if later_s is None else later_s * (1 + drawn / 10))


def body_of(events: list[Kept]) -> bytes:
    """The batch of a segment's events, the same for the same events."""
    good: list[Given] = [(kept.topic, kept.event) for kept in events if not kept.refused]
    return pack_columns(good, [(kept.topic, kept.event) for kept in events if kept.refused])


def _said(status: int, retry_after: str, content: bytes) -> Said:
    error = _error(content)
    if status == 202 or (status == 400 and error is None):
        return Said(taken=True)
    why = f"the decision service answers {status}" + (f", {error}" if error else "")
    if status in (400, 413, 415):
        return Said(hopeless=True, why=why)
    if status == 409:
        return Said(number_used=True, why=why)
    later_s = min(int(retry_after), _LONGEST_ASKED_S) if retry_after.isdecimal() else None
    return Said(later_s=later_s, why=why)


def _error(content: bytes) -> str | None:
    """What a refusal of the whole request says; None: it is an answer of its events."""
    try:
        answer = json.loads(content)
        if "results" in answer:
            return None
        return f"{answer['error']['reason']}: {answer['error']['detail']}"[:500]
    except (ValueError, LookupError, TypeError):
        return "and not as one"
