"""deadletters: events that could not be accepted, to be looked at, sent again or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, table
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from rapport.dead_letters import StoredLetter

__all__ = ["deadletters"]


def deadletters(
    letter: Annotated[str, typer.Argument(metavar="[ID]", help="Show one letter whole.")] = "",
    topic: Annotated[str, typer.Option(help="Only letters of this topic.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="Only letters with this reason.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="Most letters to handle.", min=1)] = 100,
    retry: Annotated[bool, typer.Option("--retry", help="Send them to their topics again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget them.")] = False,
    as_json: Json = False,
) -> None:
    """List the events that were refused, with field and reason; send them again, or drop them.

    Example: rapport deadletters --topic purchase_events --reason bad_value --retry
    """
    from rapport.bus import open_bus
    from rapport.dead_letters import count_letters, drop_letters, list_letters, retry_letters, show_letter

    if retry and drop:
        raise SettingsError("--retry and --drop exclude each other")
    bus = open_bus(settings_now())
    if letter and not (retry or drop):
        _show(show_letter(bus, letter), as_json)
        return
    if letter:
        letters = [show_letter(bus, letter)]
    else:
        letters = list_letters(bus, topic=topic or None, reason=reason or None, limit=limit)
    if retry or drop:
        done = (retry_letters if retry else drop_letters)(bus, letters)
        result = {"retried" if retry else "dropped": done}
        emit(result) if as_json else console().print(f"{done:,} letters {'sent again' if retry else 'dropped'}")
        return
    counts = count_letters(bus, topic=topic or None)
    if as_json:
        emit({"waiting": counts, "letters": [_as_dict(one) for one in letters]})
        return
    table(("reason", "waiting"), list(counts.items()))
    rows = [(one.id, one.letter.topic, one.letter.reason, one.letter.field, one.letter.detail) for one in letters]
    table(("id", "topic", "reason", "field", "detail"), rows)


def _show(stored: StoredLetter, as_json: bool) -> None:
    if as_json:
        emit(_as_dict(stored))
        return
    rows = [(name, str(value)) for name, value in _as_dict(stored).items()]
    table(("", stored.id), rows)


def _as_dict(stored: StoredLetter) -> dict[str, Any]:
    from rapport.clock import from_us

    letter = stored.letter
    return {
        "id": stored.id,
        "state": stored.state,
        "topic": letter.topic,
        "customer_id": letter.key,
        "reason": letter.reason,
        "field": letter.field,
        "detail": letter.detail,
        "origin": letter.origin,
        "arrived": from_us(letter.arrival_us).isoformat(),
        "event": letter.raw.decode(errors="replace"),
    }
