"""Feast's provider with one difference: it says why a windowed view is not materialized.

    provider: rapport.feast.provider.RapportProvider

With `provider: local` all else is the same, and Feast refuses a windowed view in words that do not help.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from feast import FeatureView
from feast.infra.passthrough_provider import PassthroughProvider

from rapport.errors import ArchiveError
from rapport.feast.declare import is_windowed, topic_of

__all__ = ["RapportProvider"]


class RapportProvider(PassthroughProvider):  # type: ignore[misc]
    """Feast's own, which hands everything to the stores of feature_store.yaml."""

    def materialize_single_feature_view(
        self, config: Any, feature_view: FeatureView, start_date: datetime, end_date: datetime, *rest: Any, **named: Any
    ) -> None:
        """Copy a plain view's latest rows to the online store.

        Raises:
            ArchiveError: the view is windowed.
        """
        if is_windowed(feature_view):
            raise ArchiveError(
                f"windowed view {feature_view.name!r} cannot be materialized: the stream of {topic_of(feature_view)!r} "
                "keeps it in the online store (`rapport up`). Name plain views: `feast materialize --views profile …`"
            )
        super().materialize_single_feature_view(config, feature_view, start_date, end_date, *rest, **named)
