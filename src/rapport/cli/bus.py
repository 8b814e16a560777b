"""bus: the consumers of the bus, put where they can go on."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import emit, say, table

__all__ = ["bus"]


def bus(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="`lag` or `seek`.", show_default=False)],
    group: Annotated[str, typer.Argument(metavar="[GROUP]", help="For `seek`: ingest, features or archive.")] = "",
    topic: Annotated[str, typer.Argument(metavar="[TOPIC]", help="For `seek`: a topic that the group reads.")] = "",
    as_json: Json = False,
) -> None:
    """Show how far each group of consumers is behind, or let one go on from the oldest records that there are.

    `lag` shows each group and topic by partition: records, or of Kinesis how many milliseconds the next record
    has waited. `seek` is for a group that stopped because retention removed records before it had read them; nothing
    of the installation may run, and a group that is not behind the oldest record is left where it is.

    Example: rapport bus seek ingest customer_clicks
    """
    if action == "lag":
        _lag(as_json)
    elif action == "seek":
        _seek(group, topic, as_json)
    else:
        raise typer.BadParameter(f"{action!r}: the actions are lag and seek")


def _lag(as_json: bool) -> None:
    from rapport.supervisor.lag import lags_by_partition

    found = lags_by_partition(settings_now())
    if as_json:
        emit(
            [
                {"group": group, "topic": topic, "partition": part, "behind": n}
                for (group, topic, part), n in found.items()
            ]
        )
    else:
        table(("group", "topic", "partition", "behind"), [(*place, n) for place, n in found.items()])


def _seek(group: str, topic: str, as_json: bool) -> None:
    from rapport.bus.placed import offset_after
    from rapport.supervisor.seek import seek_oldest

    moved = seek_oldest(settings_now(), group, topic)
    if as_json:
        emit([{"partition": part, "from": list(was), "to": list(now)} for part, was, now in moved])
        return
    for part, was, now in moved:
        at, before = offset_after(now), offset_after(was)
        say(f"{group} goes on in {topic}/{part} from the oldest record there is, at {at}; it was at {before}")
    if not moved:
        say(f"{group} is where it can go on in all of {topic}: nothing was changed")
