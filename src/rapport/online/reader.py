"""Features of customers as of a time, read in one round trip: all views of a service, many customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import redis
import redis.asyncio

from rapport.errors import RowCorrupt
from rapport.online.hashes import Reply, read_hashes, read_hashes_async
from rapport.online.keys import TILES, KeyMaker, field_of
from rapport.online.plain import PlainView, decode_value, plain_status
from rapport.online.rows import MISSING, PRESENT, FeatureRows, FeatureValue
from rapport.online.stored import read_stored
from rapport.windows import STATUS_NAMES, Kind, Plan

__all__ = ["OnlineReader", "WindowedView"]


@dataclass(frozen=True, slots=True)
class WindowedView:
    """A windowed view as a service reads it: its plan, and which of its features, in order."""

    plan: Plan
    features: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.plan.view.name

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(self.plan.kinds[self.plan.names.index(feature)] for feature in self.features)

    @property
    def fields(self) -> list[bytes]:
        return [field_of(self.name, TILES)]


class OnlineReader:
    """Reads one set of features for any customers.

    Args:
        project: the Feast project's name.
        views: the views to read and the features of each, in the order of the result.
        client, async_client: `decode_responses` off; each is needed for its way of reading only.
        fingerprints: view to the fingerprint of its declaration, for those who check models against it.
    """

    def __init__(
        self,
        project: str,
        views: Sequence[WindowedView | PlainView],
        *,
        client: redis.Redis | None = None,
        async_client: redis.asyncio.Redis | None = None,
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._async_client = async_client
        self._keys = KeyMaker(project)
        self._views = tuple(views)
        self._fields = [field for view in views for field in view.fields]
        self.names = tuple(f"{view.name}__{feature}" for view in views for feature in view.features)
        self.kinds = tuple(kind for view in views for kind in view.kinds)
        self.fingerprints = dict(fingerprints or {})

    def read(self, customer_ids: Sequence[str], as_of_us: int) -> FeatureRows:
        """The features of n customers at `as_of_us` (microseconds UTC).

        Raises:
            StoreUnavailable: Redis does not answer within the client's timeout.
        """
        if self._client is None:
            raise ValueError("this OnlineReader was made without a blocking client: give it one, or use read_async")
        keys = self._keys.keys(customer_ids)
        return self.decode(read_hashes(self._client, keys, self._fields, "reading features"), as_of_us)

    async def read_async(self, customer_ids: Sequence[str], as_of_us: int) -> FeatureRows:
        """As `read`, without blocking the event loop while Redis answers."""
        if self._async_client is None:
            raise ValueError("this OnlineReader was made without an asyncio client: give it one, or use read")
        keys = self._keys.keys(customer_ids)
        replies = await read_hashes_async(self._async_client, keys, self._fields, "reading features")
        return self.decode(replies, as_of_us)

    def absent(self, count: int) -> FeatureRows:
        """Rows of which nothing is known: what a decision works with when the store does not answer."""
        return self.decode([[None] * len(self._fields)] * count, 0)

    def decode(self, replies: Sequence[Reply], as_of_us: int) -> FeatureRows:
        """The features in n replies, each the values of all fields of all views."""
        rows = _Rows(self.names, self.kinds, len(replies))
        field_at = feature_at = 0
        for view in self._views:
            fields = [reply[field_at : field_at + len(view.fields)] for reply in replies]
            if isinstance(view, WindowedView):
                rows.add_windowed(view, feature_at, [field[0] for field in fields], as_of_us)
            else:
                rows.add_plain(view, feature_at, fields, as_of_us)
            field_at += len(view.fields)
            feature_at += len(view.features)
        return rows.result()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    async def close_async(self) -> None:
        if self._async_client is not None:
            await self._async_client.aclose()


class _Rows:
    """FeatureRows in the making."""

    def __init__(self, names: tuple[str, ...], kinds: tuple[Kind, ...], count: int) -> None:
        self._names, self._kinds = names, kinds
        self._vector: npt.NDArray[np.float64] = np.full((count, len(names)), np.nan)
        self._strings: dict[str, tuple[str | None, ...]] = {}
        self._status: dict[str, tuple[str, ...]] = {}
        self._newest_us: dict[str, npt.NDArray[np.int64]] = {}
        self._damaged: dict[str, tuple[int, ...]] = {}

    def add_windowed(self, view: WindowedView, at: int, stored: Sequence[bytes | None], as_of_us: int) -> None:
        values, damaged = read_stored(view.plan, stored, as_of_us)
        picked = [view.plan.names.index(feature) for feature in view.features]
        self._vector[:, at : at + len(picked)] = values.matrix()[:, picked]
        for offset, feature in enumerate(picked):
            if view.plan.kinds[feature] is Kind.STRING:
                self._strings[self._names[at + offset]] = tuple(
                    cast(list[str | None], values.features[feature].to_list())
                )
        self._status[view.name] = tuple(STATUS_NAMES[code] for code in values.status.tolist())
        self._newest_us[view.name] = values.newest_us
        if damaged:
            self._damaged[view.name] = damaged

    def add_plain(self, view: PlainView, at: int, fields: Sequence[Reply], as_of_us: int) -> None:
        found = [_plain_row(view, reply, as_of_us) for reply in fields]
        for offset, kind in enumerate(view.kinds):
            values = [row[2][offset] for row in found]
            if kind is Kind.STRING:
                self._strings[self._names[at + offset]] = tuple(None if v is None else str(v) for v in values)
            else:
                self._vector[:, at + offset] = [np.nan if v is None else float(v) for v in values]
        self._status[view.name] = tuple(row[0] for row in found)
        self._newest_us[view.name] = np.array([row[1] for row in found], np.int64)
        if damaged := tuple(place for place, row in enumerate(found) if row[3]):
            self._damaged[view.name] = damaged

    def result(self) -> FeatureRows:
        return FeatureRows(
            self._names, self._kinds, self._vector, self._strings, self._status, self._newest_us, self._damaged
        )


def _plain_row(view: PlainView, reply: Reply, as_of_us: int) -> tuple[str, int, list[FeatureValue], bool]:
    nothing: list[FeatureValue] = [None] * len(view.features)
    try:
        status, newest_us = plain_status(reply[-1], view.ttl_us, as_of_us)
        values = [decode_value(data) for data in reply[:-1]] if status == PRESENT else nothing
    except RowCorrupt:
        return MISSING, 0, nothing, True
    return status, newest_us, values, False
