"""A rebuild in small chunks as a process of its own, which kills itself after some of them.

python -m tests.flows.rebuilder CHUNKS     (0: it ends by itself)
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from rapport.archive import Archive
from rapport.feast.catalog import open_store, plans_by_topic
from rapport.online import WRITE_TIMEOUT_S, Keeping, connect
from rapport.rebuild.lacking import Unfinished, lacking_views
from rapport.rebuild.run import Rebuild, RebuildReport
from rapport.settings import Settings, load_settings


def rebuild(
    settings: Settings,
    kill_after: int = 0,
    wait_s: float = 30,
    between: Callable[[int], None] = lambda chunks: None,
) -> RebuildReport:
    """Rebuild what lacks something; `between` is called after each chunk with how many there were."""
    shown = 0

    def show(done: float, total: float | None = None, text: str = "") -> None:
        nonlocal shown
        shown += total is not None
        if kill_after and shown == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if total is not None:
            between(shown)

    store = open_store(settings)
    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        found = lacking_views(Keeping(client, store.project), Unfinished(client, store.project), plans_by_topic(store))
        archive = Archive(settings.data_dir / "archive")
        made = Rebuild(client, store.project, archive, wait_s=wait_s, show=show, chunk_events=100)
        return made.run([one for one in found if one.kept is not None])


if __name__ == "__main__":
    rebuild(load_settings(), int(sys.argv[1]))
