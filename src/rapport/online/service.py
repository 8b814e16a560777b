"""From the name of a feature service to a reader of it."""

from __future__ import annotations

from rapport.online.connect import connect, connect_async
from rapport.online.layouts import Layouts
from rapport.online.reader import OnlineReader
from rapport.settings import Settings

__all__ = ["reader_for"]


def reader_for(settings: Settings, service_name: str) -> OnlineReader:
    """A reader of a Feast feature service. The registry is read here, once: a changed one needs a new reader.

    Raises:
        DeclarationError: no such service, or one that cannot be read.
    """
    # Feast takes seconds to import.
    from rapport.feast.catalog import open_store, service_projections, views_of_service
    from rapport.models.declared import fingerprints_of

    store = open_store(settings)
    projections = service_projections(store, service_name)
    client = connect(settings)
    return OnlineReader(
        store.project,
        views_of_service(projections),
        client=client,
        async_client=connect_async(settings),
        layouts=Layouts(client, store.project),
        fingerprints=fingerprints_of(view for view, _ in projections),
    )
