"""Sending: some deliveries at a time, each within its time, never more than one at a time of the same."""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import httpx
import msgspec

from rapport.clock import from_us
from rapport.delivery.address import Webhook
from rapport.delivery.deliveries import Delivery
from rapport.delivery.signing import headers_of
from rapport.triggers.firing import Firing

__all__ = ["Sender", "backoff_s", "post_sample"]

_FIRST_S = 1.0
_LONGEST_S = 300.0
_STATUS = 80


def backoff_s(tries: int, draw: Callable[[], float] = random.random) -> float:
    """How long to wait after as many tries that failed (at least one): doubled each time from a second to five minutes,
    half of it by chance, so that many deliveries that failed together do not come back together."""
    longest = min(_LONGEST_S, _FIRST_S * 2.0 ** (tries - 1))
    return longest * (0.5 + 0.5 * draw())


async def post_sample(webhook: Webhook) -> tuple[bool, str, str]:
    """Post a firing that nothing has fired, of the trigger `test`; whether it was taken, the status, and its id."""
    now = from_us(time.time_ns() // 1_000)
    sample = Firing(
        id=secrets.token_hex(16),
        trigger="test",
        customer_id="nobody",
        moment=now,
        fired_at=now,
        reason="a sample, sent by hand",
        values={},
    )
    async with _client(webhook) as client:
        taken, status = await _post(client, webhook, sample.id, msgspec.json.encode(sample))
    return taken, status, sample.id


class Sender:
    """Sends in a thread of its own.

    Args:
        webhook: the receiver.
        done: told of each delivery whether it was taken, and the status; called in the sender's thread.
        at_once: deliveries that are on their way at a time.
    """

    def __init__(self, webhook: Webhook, done: Callable[[Delivery, bool, str], None], *, at_once: int = 8) -> None:
        self._webhook = webhook
        self._done = done
        self.at_once = at_once
        self._loop = asyncio.new_event_loop()
        self._client: httpx.AsyncClient | None = None
        self._under_way: set[Future[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhook", daemon=True)
        self._thread.start()

    @property
    def free(self) -> int:
        """How many more can be sent now."""
        self._under_way = {one for one in self._under_way if not one.done()}
        return self.at_once - len(self._under_way)

    def send(self, delivery: Delivery) -> None:
        """Send one; returns at once."""
        self._under_way.add(asyncio.run_coroutine_threadsafe(self._send(delivery), self._loop))

    def close(self) -> None:
        """Wait until all that are under way have been answered, or have run out of time."""
        deadline = time.monotonic() + self._webhook.timeout_s + 1
        while self.free < self.at_once and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._client is not None:
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        self._loop.close()

    async def _send(self, delivery: Delivery) -> None:
        if self._client is None:
            self._client = _client(self._webhook)
        taken, status = await _post(self._client, self._webhook, delivery.id, delivery.content)
        await asyncio.to_thread(self._done, delivery, taken, status)


def _client(webhook: Webhook) -> httpx.AsyncClient:
    # A proxy of the environment is for the world outside.
    return httpx.AsyncClient(timeout=webhook.timeout_s, trust_env=webhook.url.startswith("https:"))


async def _post(client: httpx.AsyncClient, webhook: Webhook, delivery_id: str, body: bytes) -> tuple[bool, str]:
    """Post a body once; whether the receiver took it (any 2xx), and the status or error in words. Redirects are not
    followed, and what the receiver answers is not read."""
    headers = headers_of(webhook.secret, delivery_id, body, int(time.time()))
    try:
        async with asyncio.timeout(webhook.timeout_s):
            async with client.stream("POST", webhook.url, content=body, headers=headers) as answer:
                return answer.is_success, f"HTTP {answer.status_code}"
    except TimeoutError:
        return False, f"no answer within {webhook.timeout_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return False, f"{type(error).__name__}: {error}"[:_STATUS]
