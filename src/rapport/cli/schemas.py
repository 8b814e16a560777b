"""schemas: the events' schemas in Avro, JSON Schema and Protocol Buffers, to be printed, written or registered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, table
from rapport.errors import RegistryRefused, SettingsError

if TYPE_CHECKING:
    from rapport.registry.registering import Outcome, Wanted

__all__ = ["schemas"]

Action = Literal["print", "check", "register"]
Format = Literal["avro", "json", "proto"]


def schemas(
    action: Annotated[
        Action, typer.Argument(help="print; or with the Schema Registry: check compatibility, or register.")
    ] = "print",
    topic: Annotated[str, typer.Option(help="Only this topic's schema.", show_default=False)] = "",
    format_name: Annotated[Format, typer.Option("--format", help="avro, json or proto.")] = "avro",
    subject: Annotated[str, typer.Option(help="Name of a topic's subject in the registry.")] = "{topic}-value",
    write: Annotated[
        Path | None, typer.Option(help="Write the files of all formats into this folder.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the schemas of the events, or register them; none is registered when one of them is incompatible.

    Example: rapport schemas register --format avro
    """
    from rapport.events.formats.made import LANGUAGES
    from rapport.events.schema import TOPICS
    from rapport.registry.registering import Wanted

    topics = [topic] if topic else list(TOPICS)
    if topic not in ("", *TOPICS):
        raise SettingsError(f"--topic {topic} is not a topic; the topics are {', '.join(TOPICS)}")
    if write is not None:
        _write(write, topics)
        return
    language = LANGUAGES[format_name]
    texts = {name: language.text(name) for name in topics}
    if action == "print":
        emit(texts) if as_json else typer.echo("\n".join(texts.values()), nl=False)
        return
    if "{topic}" not in subject:
        raise SettingsError(f"--subject {subject!r} has to hold {{topic}}: each topic has a subject of its own")
    wanted = [Wanted(subject.replace("{topic}", name), language.kind, text) for name, text in texts.items()]
    _with_registry(action, wanted, as_json)


def _write(folder: Path, topics: list[str]) -> None:
    from rapport.events.formats.made import LANGUAGES

    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES.values():
        for topic in topics:
            (folder / f"{topic}{language.suffix}").write_text(language.text(topic))
    console().print(f"{len(topics) * len(LANGUAGES)} schemas written into {folder}")


def _with_registry(action: Action, wanted: list[Wanted], as_json: bool) -> None:
    from rapport.registry import open_registry
    from rapport.registry.registering import check_all, register_all

    registry = open_registry(settings_now())
    if registry is None:
        raise SettingsError("there is no Schema Registry: set RAPPORT_REGISTRY_URL to its address")
    outcomes = (register_all if action == "register" else check_all)(registry, wanted)
    if as_json:
        emit([{"subject": o.subject, "state": o.state, "id": o.id, "messages": o.messages} for o in outcomes])
    else:
        table(("subject", "schema", "id", "the registry says"), [_row(o) for o in outcomes])
    bad = [outcome.subject for outcome in outcomes if outcome.state == "incompatible"]
    if bad:
        raise RegistryRefused(
            f"{', '.join(bad)}: not compatible with what is registered"
            + ("; nothing was registered" if action == "register" else "")
            + ". Producers or readers of now would break: keep the fields that are there, and add only optional ones"
        )


def _row(outcome: Outcome) -> tuple[str, ...]:
    known = "" if outcome.id is None else str(outcome.id)
    return outcome.subject, outcome.state, known, "\n".join(outcome.messages)
