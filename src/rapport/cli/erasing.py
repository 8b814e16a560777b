"""erase: all that is kept of one customer, gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Customer, Json, settings_now
from rapport.cli.output import emit, progress, table
from rapport.errors import BusUnavailable

if TYPE_CHECKING:
    from rapport.erasure import Erasure, Show
    from rapport.settings import Settings

__all__ = ["erase"]


def erase(
    customer: Customer,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the flows to read what is on the bus.", min=0)] = 60,
    as_json: Json = False,
) -> None:
    """Erase a customer: from the bus, the online store, the triggers, the archive with its decisions, and the dead
    letters.

    It can be stopped and run again at any time. Events that come afterwards are a new customer's.

    Example: rapport erase c-000001
    """
    settings = settings_now()
    with progress("erasing") as show:
        done = _erase(settings, customer, wait, lambda text: show(0, None, text))
    if as_json:
        emit(done.as_dict())
    else:
        rows = [
            ("online store", "erased" if done.online else "had nothing"),
            ("archive, decisions, pushed files", f"{done.archived:,} rows erased"),
            ("triggers", f"{done.triggers:,} erased"),
            ("deliveries", f"{done.deliveries:,} erased"),
            ("dead letters", f"{done.letters:,} erased"),
            ("bus", f"{done.unread:,} records unread" if done.unread else "all read"),
        ]
        table(("where", "what was done"), rows)
    if done.unread:
        raise BusUnavailable(
            f"{done.unread:,} records that came before wait on the bus, and may be the customer's: do the flows run "
            "(`rapport status`)? When they have read them, run this again"
        )


def _erase(settings: Settings, customer: str, wait_s: float, show: Show) -> Erasure:
    from rapport.archive import Archive
    from rapport.bus import open_bus
    from rapport.bus.groups import consumers
    from rapport.erasure import erase as run
    from rapport.online import WRITE_TIMEOUT_S, connect
    from rapport.project import project_name

    archive = Archive(settings.data_dir / "archive")
    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        project = project_name(settings.root)
        readers = consumers(settings)
        return run(customer, open_bus(settings), client, project, archive, readers, wait_s=wait_s, show=show)
