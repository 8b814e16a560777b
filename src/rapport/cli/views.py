"""`rapport views`: the declared windowed views as a document for engines that have no Feast."""

from __future__ import annotations

import sys

from rapport.cli.common import settings_now

__all__ = ["views"]


def views() -> None:
    """Print the windowed views of the Feast registry as one JSON document, for the flows on Spark and Flink.

    Example: rapport views > views.json
    """
    settings = settings_now()
    # Feast takes seconds to import.
    from flows.declared import Declared, declared_to_json
    from rapport.errors import DeclarationError
    from rapport.feast.catalog import open_store, plans_by_topic

    store = open_store(settings)
    plans = plans_by_topic(store)
    if not plans:
        raise DeclarationError(
            f"the Feast registry of {settings.root} has no windowed views: declare them in feature_repo/ and run "
            "`feast apply`"
        )
    sys.stdout.write(declared_to_json(Declared(store.project, plans)).decode() + "\n")
