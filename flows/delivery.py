"""The delivery branch: firings off the topic `triggers`, each sent to the webhook until it is taken or failed for good.

Where it stands is kept with the deliveries, in one step with those that a batch brings (rapport.delivery.deliveries).
"""

from __future__ import annotations

import logging
import time

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow

from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.feed import Feed, Polled
from flows.runtime import Runtime
from rapport.bus.protocol import START, Bus, Position
from rapport.bus.retry import Patience, Stopped
from rapport.delivery.address import Webhook, webhook_of
from rapport.delivery.deliveries import Deliveries, Delivery
from rapport.delivery.sender import Sender, backoff_s
from rapport.errors import BusError, PositionMoved, StoreUnavailable
from rapport.online import WRITE_TIMEOUT_S, connect
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.firing import Firing

__all__ = ["GROUP", "Deliverer", "deliver"]

GROUP = "delivery"
"""The group of consumers whose positions say which firings are delivered, or kept to be."""

_KEPT = 10_000
"""Deliveries that wait, from which on no more firings are read: they are safe on the bus."""
_TICK_S = 0.05
_TELL_EVERY_S = 0.5
_WAIT_S = 1.0
_LEASE_S = 30.0
"""How long after its timeout a delivery of which nothing was heard is taken again: its process was killed."""
_log = logging.getLogger(__name__)


class Deliverer:
    """Keeps firings as deliveries, and sends what is due with every tick."""

    def __init__(self, feed: Feed, patience: Patience, webhook: Webhook, deliveries: Deliveries) -> None:
        self._feed = feed
        self._bus: Bus = feed.bus
        self._patience = patience
        self._webhook = webhook
        self._deliveries = deliveries
        self._sender = Sender(webhook, self._done)
        self._untold = set(range(feed.bus.partitions(TRIGGERS_TOPIC)))
        self._tell_s = 0.0

    def handle(self, item: Item) -> None:
        try:
            if isinstance(item, Tick):
                self._send()
            elif not self._feed.is_void(item):
                self._keep(item)
        except (BusError, StoreUnavailable) as error:
            _log.warning("deliveries were put off: %s", error)
        except Stopped:
            _log.info("asked to stop; what was not kept will be read again")

    def flush(self) -> None:
        """Each batch was kept when it came."""

    def close(self) -> None:
        """What is under way is waited for; the rest stays in Redis."""
        self._sender.close()

    def _keep(self, polled: Polled) -> None:
        batch = polled.batch
        if self._patience.call(lambda: self._deliveries.counts()["waiting"]) >= _KEPT:
            self._feed.rewind(batch.topic, batch.partition, wait_s=_WAIT_S)
            return
        firings = []
        for value in batch.values:
            try:
                firing = msgspec.json.decode(value, type=Firing)
            except msgspec.MsgspecError as error:
                _log.error("a record of the topic %s is no firing, and is left out: %s", TRIGGERS_TOPIC, error)
                continue
            firings.append((firing.id, firing.trigger, value))
        self._patience.call(lambda: self._deliveries.add(firings, batch.partition, batch.positions[-1], _now_ms()))
        self._untold.add(batch.partition)
        self._send()

    def _send(self) -> None:
        free = self._sender.free
        if free:
            again_ms = _now_ms() + round((self._webhook.timeout_s + _LEASE_S) * 1_000)
            for delivery in self._deliveries.take(_now_ms(), again_ms, free):
                self._sender.send(delivery)
        if time.monotonic() >= self._tell_s:
            self._tell_s = time.monotonic() + _TELL_EVERY_S
            self._tell()

    def _done(self, delivery: Delivery, taken: bool, status: str) -> None:
        """Write down what a try met. If Redis does not take it, the delivery is made again when its lease ends."""
        tries = delivery.tries + 1
        try:
            if taken:
                self._deliveries.delivered(delivery, status, _now_ms())
            elif tries < self._webhook.tries:
                next_ms = _now_ms() + round(backoff_s(tries) * 1_000)
                self._deliveries.put_off(delivery, status, _now_ms(), next_ms)
            else:
                self._deliveries.failed(delivery, status, _now_ms())
                _log.error("delivery %s failed after %d tries: %s", delivery.id, tries, status)
        except StoreUnavailable as error:
            _log.warning("what became of delivery %s could not be noted: %s", delivery.id, error)

    def _tell(self) -> None:
        for partition in sorted(self._untold & {partition for _, partition in self._feed.places}):
            reached, known = self._deliveries.place(partition), self._bus.position(GROUP, TRIGGERS_TOPIC, partition)
            if reached > known:
                try:
                    self._bus.commit(GROUP, TRIGGERS_TOPIC, partition, expected=known, position=reached)
                except PositionMoved:
                    continue
            self._untold.discard(partition)


def deliver(flow: Dataflow, runtime: Runtime, *, drain: bool = False) -> bool:
    """Add the webhook branch to a dataflow, if the installation has a webhook; returns whether it has.

    Args:
        flow: the dataflow.
        runtime: the bus, the settings and what else the flows need.
        drain: end when everything has been read; what is not delivered by then waits for the next run.

    Raises:
        SettingsError: its address or secret cannot be used.
    """
    receiver = webhook_of(runtime.settings)
    if receiver is None:
        return False
    bus, patience = runtime.bus, Patience(runtime.stop)
    deliveries = Deliveries(connect(runtime.settings, timeout_s=WRITE_TIMEOUT_S))

    def start(topic: str, partition: int) -> Position:
        return max(deliveries.place(partition), bus.position(GROUP, topic, partition), START)

    feed = Feed(bus, GROUP, [TRIGGERS_TOPIC], start, runtime.stop)
    fired = op.input("webhook_firings", flow, BusSource(feed, tick_s=_TICK_S, drain=drain))
    # Polled | Tick
    op.output("webhook_send", fired, HandlerSink(lambda: Deliverer(feed, patience, receiver, deliveries)))
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
