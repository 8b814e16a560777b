"""deadletters: events that could not be accepted, to be looked at, mended and sent again, or dropped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import Progress, console, emit, progress, table
from rapport.errors import EventError, SettingsError

if TYPE_CHECKING:
    from rapport.bus import Bus
    from rapport.dead_letters import LetterFilter, StoredLetter
    from rapport.dead_letters.settle import Resend
    from rapport.settings import Settings

__all__ = ["deadletters"]

deadletters = typer.Typer(name="deadletters", invoke_without_command=True, no_args_is_help=False)

_SHOWN_BYTES = 4_096
_REPEATED = "duplicate"


class Which(StrEnum):
    """Letters by what was done with them."""

    waiting = "waiting"
    retried = "retried"
    all = "all"


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="These letters.", show_default=False)]
Topic = Annotated[str, typer.Option(help="Only of this topic; webhook:SOURCE for payloads.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Only with this reason.", show_default=False)]
Field = Annotated[str, typer.Option(help="Only where this field is at fault.", show_default=False)]
Since = Annotated[str, typer.Option(help="Only what arrived from this time on (RFC 3339).", show_default=False)]
Until = Annotated[str, typer.Option(help="Only what arrived before this time.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="All letters that wait.")]


@deadletters.callback()
def _group(context: typer.Context) -> None:
    """Events that were refused, with field and reason: look at them, mend them and send them again, or drop them.

    Without a command: list.

    Example: rapport deadletters
    """
    if context.invoked_subcommand is None:
        _list(_wanted(), 100, "", "", as_json=False)


@deadletters.command("list")
def list_(
    topic: Topic = "",
    reason: Reason = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    which: Annotated[Which, typer.Option("--state", help="By what was done with them.")] = Which.waiting,
    customer: Annotated[str, typer.Option(help="Only those that speak of this customer.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="Most letters to list.", min=1, max=10_000)] = 100,
    after: Annotated[str, typer.Option(help="Go on after this letter: the page's last.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Count the letters by reason, and list the oldest.

    Example: rapport deadletters list --topic purchase_events --reason bad_value --since 2026-03-01T00:00:00Z
    """
    wanted = _wanted(topic, reason, field, since, until, state=which)
    _list(wanted, limit, after, customer, as_json=as_json)


@deadletters.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter's id.", show_default=False)],
    raw: Annotated[bool, typer.Option("--raw", help="Only the original bytes, as they came.")] = False,
    as_json: Json = False,
) -> None:
    """Show one letter whole: the original bytes, where they came from, and what was wrong with them.

    Example: rapport deadletters show 0:1772366400000-0 --raw > event.json
    """
    from rapport.bus import open_bus
    from rapport.dead_letters import show_letter

    stored = show_letter(open_bus(settings_now()), letter)
    if raw:
        sys.stdout.buffer.write(stored.letter.raw)
        return
    if as_json:
        emit({**_as_dict(stored), "headers": stored.letter.headers, "bytes": stored.letter.value})
        return
    rows = [(name, str(value)) for name, value in _as_dict(stored).items() if name != "event"]
    table(("", stored.id), rows + [(f"header {name}", value) for name, value in stored.letter.headers.items()])
    console().print(_readable(stored.letter.raw), markup=False, soft_wrap=True)


@deadletters.command()
def retry(
    letters: Ids = None,
    topic: Topic = "",
    reason: Reason = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    everything: Everything = False,
    edit: Annotated[
        Path | None,
        typer.Option(
            help="Send this file's bytes in place of the original ones; for one ID.", exists=True, dir_okay=False
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Set a field first; VALUE is JSON or a text.", show_default=False
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="Take a field away first.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Send letters again, as they are or mended; one that is refused again gives a new letter.

    Payloads of webhooks are mapped again. Duplicates are sent only when they are asked for, by id or by reason: ten
    minutes after the first they would count twice.

    Example: rapport deadletters retry --reason missing_field --field currency --set currency=EUR
    """
    from rapport.bus import open_bus
    from rapport.dead_letters import retry_letters

    if edit is not None and len(letters or ()) != 1:
        raise SettingsError("--edit gives the bytes of one event: name one ID")
    settings = settings_now()
    bus = open_bus(settings)
    wanted = _wanted(topic, reason, field, since, until, without="" if letters or reason else _REPEATED)
    resend = _resend(settings, edit, _pairs(values or []), without or [])
    with progress("sending again") as shown:
        done = retry_letters(bus, _chosen(bus, letters, wanted, shown, everything=everything), resend)
    emit({"retried": done}) if as_json else console().print(f"{done:,} letters sent again")


@deadletters.command()
def drop(
    letters: Ids = None,
    topic: Topic = "",
    reason: Reason = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    everything: Everything = False,
    customer: Annotated[
        str, typer.Option(help="Erase all that speak of this customer, also what was retried.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Forget letters.

    Their bytes are freed once every letter before them is dropped as well; with --customer at once.

    Example: rapport deadletters drop --topic customer_clicks --until 2026-01-01T00:00:00Z
    """
    from rapport.bus import open_bus
    from rapport.dead_letters import drop_letters, erase_customer

    wanted = _wanted(topic, reason, field, since, until)
    chosen = bool(letters or everything or wanted != _wanted())
    if customer and chosen:
        raise SettingsError("--customer erases all that speak of the customer: give it alone")
    bus = open_bus(settings_now())
    with progress("dropping") as shown:
        if customer:
            done = erase_customer(bus, customer, seen=lambda looked, total: shown(looked, total))
        else:
            done = drop_letters(bus, _chosen(bus, letters, wanted, shown, everything=everything))
    emit({"dropped": done}) if as_json else console().print(f"{done:,} letters dropped")


def _list(wanted: LetterFilter, limit: int, after: str, customer: str, *, as_json: bool) -> None:
    from itertools import islice

    from rapport.bus import open_bus
    from rapport.dead_letters import belongs_to, count_letters, walk_letters

    bus = open_bus(settings_now())
    with progress("counting letters") as shown:
        counts = count_letters(bus, wanted, seen=lambda done, total: shown(done, total))
    found = walk_letters(bus, wanted, after=after)
    letters = list(islice((one for one in found if not customer or belongs_to(one.letter, customer)), limit))
    following = letters[-1].id if len(letters) == limit else None
    if as_json:
        emit({"counts": counts, "letters": [_as_dict(one) for one in letters], "next": following})
        return
    table(("reason", "letters"), list(counts.items()))
    rows = [(one.id, one.letter.topic, one.letter.reason, one.letter.field, one.letter.detail) for one in letters]
    table(("id", "topic", "reason", "field", "detail"), rows)
    if following:
        console().print(f"there may be more: --after {following}")


def _wanted(
    topic: str = "",
    reason: str = "",
    field: str = "",
    since: str = "",
    until: str = "",
    *,
    state: Which = Which.waiting,
    without: str = "",
) -> LetterFilter:
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us
    from rapport.dead_letters import LetterFilter

    return LetterFilter(
        topic=topic,
        reason=reason,
        field=field,
        since_us=to_us(parse_time(since)) if since else None,
        until_us=to_us(parse_time(until)) if until else None,
        state=None if state is Which.all else "retried" if state is Which.retried else "waiting",
        without_reason=without,
    )


def _chosen(
    bus: Bus, ids: list[str] | None, wanted: LetterFilter, shown: Progress, *, everything: bool
) -> Iterator[StoredLetter]:
    """The letters of a command, read as they are needed."""
    from dataclasses import replace

    from rapport.dead_letters import LetterFilter, show_letter, walk_letters

    filtered = replace(wanted, without_reason="") != LetterFilter()
    if (bool(ids), filtered, everything).count(True) != 1:
        raise SettingsError(
            "say which letters: by their IDs, or by --topic, --reason, --field, --since, --until, or --all"
        )
    if ids:
        return iter([show_letter(bus, one) for one in ids])
    return walk_letters(bus, wanted, seen=lambda done, total: shown(done, total))


def _resend(settings: Settings, edit: Path | None, values: dict[str, str], without: list[str]) -> Resend:
    """What is sent for each letter: its bytes, those of a file, or mended ones; of a payload, the events."""
    from base64 import b64encode

    import msgspec

    from rapport.cli.worldtime import world_clock
    from rapport.dead_letters import edited_event, with_fields
    from rapport.webhooks import PAYLOAD_TOPIC, Sources, resend_payloads
    from rapport.webhooks.sources import webhooks_folder

    sources = Sources(webhooks_folder(settings))
    sources.refresh()
    as_it_is = resend_payloads(sources.get, world_clock(settings).now_us)
    if edit is None and not values and not without:
        return as_it_is
    file = edit.read_bytes() if edit else None

    def resend(stored: StoredLetter) -> Any:
        try:
            raw = with_fields(stored.letter.raw if file is None else file, values, without)
            if not stored.letter.topic.startswith(PAYLOAD_TOPIC):
                return [edited_event(stored, raw)]
        except EventError as error:
            raise SettingsError(f"letter {stored.id} would be refused again, and stays: {error}") from None
        letter = msgspec.structs.replace(stored.letter, value=b64encode(raw).decode())
        return as_it_is(msgspec.structs.replace(stored, letter=letter))

    return resend


def _pairs(values: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in values]
    if any(not name or not mark for name, mark, _ in pairs):
        raise SettingsError("--set takes FIELD=VALUE, as currency=EUR")
    return {name: value for name, _, value in pairs}


def _as_dict(stored: StoredLetter) -> dict[str, Any]:
    from rapport.clock import from_us

    letter = stored.letter
    hi, lo = letter.position
    return {
        "id": stored.id,
        "state": stored.state,
        "topic": letter.topic,
        "partition": letter.partition,
        "position": f"{hi}-{lo}",
        "customer_id": letter.key,
        "reason": letter.reason,
        "field": letter.field,
        "detail": letter.detail,
        "schema": letter.schema,
        "origin": letter.origin,
        "arrived": from_us(letter.arrival_us).isoformat(),
        "event": letter.raw.decode(errors="replace"),
    }


def _readable(raw: bytes) -> str:
    """JSON set out in lines, else the bytes in hexadecimal beside the text that they may be."""
    import msgspec

    try:
        msgspec.json.decode(raw)
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        lines = [_hex_line(raw, at) for at in range(0, min(len(raw), _SHOWN_BYTES), 16)]
        rest = len(raw) - _SHOWN_BYTES
        return "\n".join(lines + ([f"… and {rest:,} bytes more: --raw gives all"] if rest > 0 else []))


def _hex_line(raw: bytes, at: int) -> str:
    part = raw[at : at + 16]
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{at:08x}  {part.hex(' '):<47}  {text}"
