"""How the views that decisions read are defined and kept: what a decision notes, so that it can be replayed."""

from __future__ import annotations

import logging

from rapport.consistency import keep_definitions
from rapport.online import Keeping, OnlineReader, WindowedView, connect
from rapport.settings import Settings

__all__ = ["FEATURE_SERVICE", "KeptViews"]

FEATURE_SERVICE = "personalization"
"""The Feast feature service that decisions read."""

_logger = logging.getLogger(__name__)


class KeptViews:
    """The windowed views of a reader. Blocks on disk and Redis.

    Attributes:
        definitions: view to the print of its definition, which is kept; empty when the disk does not take it.
    """

    def __init__(self, settings: Settings, reader: OnlineReader) -> None:
        views = [view.plan.view for view in reader.views if isinstance(view, WindowedView)]
        self._names = frozenset(view.name for view in views)
        self._keeping = Keeping(connect(settings), reader.project)
        self.definitions: dict[str, str] = {}
        try:
            self.definitions = keep_definitions(settings, views)
        except OSError as error:
            _logger.warning("definitions of views cannot be kept, so decisions do not name theirs: %s", error)

    def rebuilding(self) -> tuple[str, ...]:
        """The views whose rows do not all hold their customers' past.

        Raises:
            StoreUnavailable
            StoreError: what Redis holds is not a record of views.
        """
        return tuple(
            sorted(name for name, kept in self._keeping.all().items() if name in self._names and not kept.complete)
        )
