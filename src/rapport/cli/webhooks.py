"""webhooks: the sources of this installation, and trying a mapping on a payload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, table
from rapport.errors import EventError, MappingError, SettingsError

if TYPE_CHECKING:
    from rapport.settings import Settings
    from rapport.webhooks import Source

__all__ = ["webhooks"]

webhooks = typer.Typer(name="webhooks", invoke_without_command=True, no_args_is_help=False)


@webhooks.callback()
def _group(context: typer.Context) -> None:
    """Sources of webhooks: their mapping files, and what a mapping makes of a payload.

    Without a command: list.

    Example: rapport webhooks
    """
    if context.invoked_subcommand is None:
        _list(as_json=False)


@webhooks.command("list")
def list_(as_json: Json = False) -> None:
    """List the sources that this installation takes webhooks from, and what is wrong with their files.

    Example: rapport webhooks list
    """
    _list(as_json=as_json)


@webhooks.command()
def example(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Which one; without: their names.")] = "",
    payload: Annotated[str, typer.Option(help="Print one of its payloads instead: orders_create, …")] = "",
) -> None:
    """Print a mapping that comes with Rapport, to begin one's own with, or a payload to try it on.

    Example: rapport webhooks example shop > webhooks/shop.yaml
    """
    from rapport.webhooks import example_names, example_payloads, example_text

    if not name:
        rows = [(one, ", ".join(example_payloads(one))) for one in example_names()]
        table(("example", "payloads"), rows)
        return
    text, payloads = example_text(name), example_payloads(name)
    if payload and payload not in payloads:
        raise SettingsError(f"{name} has no payload {payload!r}; it has {', '.join(payloads)}")
    sys.stdout.write(payloads[payload].decode() if payload else text)


@webhooks.command("try")
def try_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source's name, or the path of a mapping file.")],
    payload: Annotated[Path, typer.Argument(metavar="PAYLOAD", exists=True, dir_okay=False, help="A file of JSON.")],
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:VALUE", help="A header that comes with it.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a mapping makes of a payload. Nothing is sent, and no secret is needed.

    Example: rapport webhooks try shop order.json --header "X-Shopify-Topic: orders/create"
    """
    from rapport.cli.worldtime import world_clock

    settings = settings_now()
    found = _source(settings, source)
    try:
        made = found.translate(_headers(header or []), payload.read_bytes(), world_clock(settings).now_us())
    except EventError as error:
        raise MappingError(f"the payload would be a dead letter: {error.reason}, {error}") from None
    events: list[dict[str, Any]] = [{"topic": event.topic, "event": _plain(event.value)} for event in made.events]
    if as_json:
        emit({"events": events, "skipped": made.skipped, "ignored": made.ignored})
        return
    rows = [
        (event["topic"], "\n".join(f"{name}: {value}" for name, value in event["event"].items())) for event in events
    ]
    table(("topic", "event"), rows)
    if made.ignored:
        console().print("the mapping ignores this payload")
    if made.skipped:
        console().print(f"{made.skipped:,} items have no customer and are skipped")


def _list(*, as_json: bool) -> None:
    from rapport.webhooks import Sources
    from rapport.webhooks.sources import webhooks_folder

    sources = Sources(webhooks_folder(settings_now()))
    sources.refresh()
    rows: list[dict[str, Any]] = []
    for name in sorted({*sources.names(), *sources.problems}):
        source = sources.get(name)
        mapping = source.mapping if source else None
        signed = mapping.signature.header if mapping and mapping.signature else "unsigned" if mapping else None
        topics = sorted({rule.topic for rule in mapping.events}) if mapping else []
        rows.append({"source": name, "signed": signed, "topics": topics, "problem": sources.problems.get(name)})
    if as_json:
        emit({"folder": str(sources.folder), "sources": rows})
        return
    shown = [(row["source"], row["signed"], ", ".join(row["topics"]), row["problem"] or "none") for row in rows]
    table(("source", "signed by", "topics", "problem"), shown, title=str(sources.folder))


def _source(settings: Settings, name: str) -> Source:
    from rapport.webhooks import Source
    from rapport.webhooks.sources import webhooks_folder

    path = Path(name) if name.endswith((".yaml", ".yml")) else webhooks_folder(settings) / f"{name}.yaml"
    return Source.load(path, secrets=False)


def _headers(given: list[str]) -> dict[str, str]:
    pairs = [text.partition(":") for text in given]
    if any(not mark for _, mark, _ in pairs):
        raise SettingsError("--header takes NAME:VALUE")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _plain(value: bytes) -> dict[str, Any]:
    import msgspec

    return msgspec.json.decode(value, type=dict[str, Any])
