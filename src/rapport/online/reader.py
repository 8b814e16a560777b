"""Features of customers as of a time, read in one round trip: all views of a service, many customers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import redis
import redis.asyncio
from numpy.typing import NDArray

from rapport.online.ahead import ReadAhead
from rapport.online.asking import asker
from rapport.online.asking_async import async_asker
from rapport.online.assembly import Assembly
from rapport.online.imagining import EventColumns, Imagine, Imaginer
from rapport.online.keys import KeyMaker
from rapport.online.plain import PlainView
from rapport.online.questions import Hashes, HashFields, Reply
from rapport.online.rows import AsOf, FeatureRows
from rapport.online.stored import KnownLayouts
from rapport.online.together import OneRow, Together
from rapport.online.views import WindowedView

__all__ = ["OnlineReader"]

_NO_ASYNC = "this OnlineReader was made without an asyncio client: give it one, or use read"


class OnlineReader:
    """Reads one set of features for any customers.

    Args:
        project: the Feast project's name.
        views: the views to read and the features of each, in the order of the result.
        client, async_client: where Redis is, `decode_responses` off; each is needed for its way of reading only.
        layouts: finds the layouts of rows that were written under another declaration; None: such rows lack all.
        fingerprints: view to the fingerprint of its declaration, for those who check models against it.
    """

    def __init__(
        self,
        project: str,
        views: Sequence[WindowedView | PlainView],
        *,
        client: redis.Redis | None = None,
        async_client: redis.asyncio.Redis | None = None,
        layouts: KnownLayouts | None = None,
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._async_client = async_client
        self._asker = None if client is None else asker(client)
        self._async_asker = None if async_client is None else async_asker(async_client)
        # Its own connection: many answers hold up nobody who waits for one, and none that is late cuts others off.
        self._ahead_asker = None if async_client is None else async_asker(async_client)
        self._together = None if async_client is None else Together(self._ask_async, self._imagine)
        self._keys = KeyMaker(project)
        self._assembly = Assembly(views, layouts)
        self._fields = HashFields(self._assembly.fields)
        self._imaginers = _imaginers(views)
        self.names = self._assembly.names
        self.kinds = self._assembly.kinds
        self.project = project
        self.views = tuple(views)
        self.fingerprints = dict(fingerprints or {})

    def read(self, customer_ids: Sequence[str], as_of_us: int) -> FeatureRows:
        """The features of n customers at `as_of_us` (microseconds UTC).

        Raises:
            StoreUnavailable: Redis does not answer within the client's timeout.
        """
        if self._asker is None:
            raise ValueError("this OnlineReader was made without a blocking client: give it one, or use read_async")
        return self.decode(self._asker.ask(self._question(customer_ids)), as_of_us)

    def read_each(self, customer_ids: Sequence[str], as_of_us: Sequence[int]) -> NDArray[np.float64]:
        """The features of n customers, each as of a time of its own, in one round trip: float64[n, F], as the `vector`
        of FeatureRows.

        Raises:
            StoreUnavailable: Redis does not answer within the client's timeout.
        """
        if self._asker is None:
            raise ValueError("this OnlineReader was made without a blocking client: give it one")
        if not customer_ids:
            return np.empty((0, len(self.names)))
        return self.decode(self._asker.ask(self._question(customer_ids)), as_of_us).vector

    async def read_async(self, customer_ids: Sequence[str], as_of_us: int) -> FeatureRows:
        """As `read`, without blocking the event loop while Redis answers."""
        return (await self._ask_async(customer_ids, as_of_us))[0]

    async def read_one(self, customer_id: str, as_of_us: int) -> OneRow:
        """One customer's features as `read_async` gives them, read together with all others who are asked for in the
        same round of the event loop."""
        if self._together is None:
            raise ValueError(_NO_ASYNC)
        return await self._together.read(customer_id, as_of_us)

    async def read_ahead(self, customer_ids: Sequence[str], as_of_us: int) -> ReadAhead:
        """What `read_one` gives for each of n customers, all read in one round trip."""
        if self._ahead_asker is None:
            raise ValueError(_NO_ASYNC)
        replies = await self._ahead_asker.ask(self._question(customer_ids))
        rows = None
        if self._assembly.have_changed(replies):
            rows = await asyncio.to_thread(self.decode, replies, as_of_us)
        return ReadAhead(replies, as_of_us, self.decode, self._imagine, rows)

    def warm_imagining(self) -> None:
        """Load the compiled code that imagines events; takes up to a second, once in a process."""
        for imaginer, _ in self._imaginers.values():
            imaginer.imagine(None, 0, {})

    def absent(self, count: int) -> FeatureRows:
        """Rows of which nothing is known: what a decision works with when the store does not answer."""
        return self.decode([[None] * len(self._assembly.fields)] * count, 0)

    def decode(self, replies: Sequence[Reply], as_of_us: AsOf) -> FeatureRows:
        """The features in n replies, each the values of all fields of all views."""
        return self._assembly.rows(replies, as_of_us)

    def close(self) -> None:
        if self._asker is not None and self._client is not None:
            self._asker.close()
            self._client.close()

    async def close_async(self) -> None:
        if self._async_asker is not None and self._ahead_asker is not None and self._async_client is not None:
            await self._async_asker.close()
            await self._ahead_asker.close()
            await self._async_client.aclose()

    async def _ask_async(self, customer_ids: Sequence[str], as_of_us: AsOf) -> tuple[FeatureRows, Sequence[Reply]]:
        if self._async_asker is None:
            raise ValueError(_NO_ASYNC)
        replies = await self._async_asker.ask(self._question(customer_ids))
        if self._assembly.have_changed(replies):
            return await asyncio.to_thread(self.decode, replies, as_of_us), replies
        return self.decode(replies, as_of_us), replies

    def _imagine(self, reply: Reply, as_of_us: int) -> Imagine:
        """What imagines events of one reply's customer."""

        def imagined(view: str, event: EventColumns) -> dict[str, float | None] | None:
            found = self._imaginers.get(view)
            return found[0].imagine(reply[found[1]], as_of_us, event) if found else None

        return imagined

    def _question(self, customer_ids: Sequence[str]) -> Hashes:
        return self._fields.of(self._keys.keys(customer_ids))


def _imaginers(views: Sequence[WindowedView | PlainView]) -> dict[str, tuple[Imaginer, int]]:
    """What imagines events of each windowed view, by its name, and the place of its stored value in a reply."""
    found: dict[str, tuple[Imaginer, int]] = {}
    at = 0
    for view in views:
        if isinstance(view, WindowedView):
            found[view.name] = (Imaginer(view), at)
        at += len(view.fields)
    return found
