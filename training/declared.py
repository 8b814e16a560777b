"""The declarations in use: what the registry says now."""

from __future__ import annotations

from rapport.models import fingerprints_of
from rapport.settings import Settings

__all__ = ["present_fingerprints"]


def present_fingerprints(settings: Settings) -> dict[str, str]:
    """Feature view to fingerprint (hex), of every view in the project's registry."""
    from rapport.feast.catalog import open_store

    store = open_store(settings)
    return fingerprints_of([*store.list_stream_feature_views(), *store.list_feature_views()])
