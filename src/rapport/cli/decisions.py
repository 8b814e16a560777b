"""explain, replay-decision: one logged decision in words, and made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, say, table
from rapport.errors import ArchiveError, SettingsError

if TYPE_CHECKING:
    from rapport.bus.protocol import Bus
    from rapport.decisions import DecisionRecord
    from rapport.settings import Settings

__all__ = ["EXIT_NOT_REPLAYED", "explain", "replay_decision"]

EXIT_NOT_REPLAYED = 10

DecisionId = Annotated[str, typer.Argument(metavar="ID", help="The decision's id, 32 digits.", show_default=False)]


def explain(decision_id: DecisionId, as_json: Json = False) -> None:
    """Say in words why a decision was made: what was known, what models made of it, which rule held and which did not.

    Example: rapport explain 019ad1c63f177c648104294acbe3de9a
    """
    import msgspec

    from rapport.decisions.replay import Replayer
    from rapport.decisions.words import explain_in_words

    settings = settings_now()
    record = _find(settings, decision_id)
    words = explain_in_words(record, Replayer(settings).bundle(record))
    if as_json:
        emit({"words": words, "decision": msgspec.to_builtins(record)})
        return
    for sentence in words:
        console().print(sentence, markup=False, soft_wrap=True)


def replay_decision(decision_id: DecisionId, as_json: Json = False) -> None:
    """Make a logged decision again, with its models and its policy: equal bit for bit, or what differs or is gone.

    Ends with code 10 unless it is equal.

    Example: rapport replay-decision 019ad1c63f177c648104294acbe3de9a
    """
    import msgspec

    from rapport.decisions.replay import Replayer

    settings = settings_now()
    replay = Replayer(settings).replay(_find(settings, decision_id))
    if as_json:
        emit(
            {
                "decision_id": decision_id,
                "same": replay.same,
                "gone": list(replay.gone),
                "differences": msgspec.to_builtins(replay.differences),
            }
        )
    elif replay.same:
        console().print(f"{decision_id}: equal, bit for bit", markup=False)
    else:
        for gone in replay.gone:
            console().print(f"gone: {gone}", markup=False, soft_wrap=True)
        if replay.differences:
            rows = [(name, str(logged), str(again)) for name, (logged, again) in replay.differences.items()]
            table(("field", "logged", "made again"), rows)
    if not replay.same:
        raise typer.Exit(EXIT_NOT_REPLAYED)


def _find(settings: Settings, decision_id: str) -> DecisionRecord:
    from rapport.archive import Archive
    from rapport.decisions.find import find_record
    from rapport.decisions.ids import is_id

    if not is_id(decision_id):
        raise SettingsError(f"{decision_id[:80]!r} is no decision's id: 32 digits 0-9 and a-f")
    record = find_record(decision_id, Archive(settings.data_dir / "archive"), _bus(settings))
    if record is None:
        raise ArchiveError(
            f"no decision {decision_id} is logged: it was not made here, was erased with its customer, or is older "
            "than what the archive keeps"
        )
    return record


def _bus(settings: Settings) -> Bus | None:
    """The bus, where decisions of the last seconds are; None when it does not answer."""
    from rapport.bus import open_bus
    from rapport.decisions.log import DECISIONS_TOPIC
    from rapport.errors import BusError, ServiceError

    try:
        bus = open_bus(settings)
        bus.partitions(DECISIONS_TOPIC)
        bus.position("archive", DECISIONS_TOPIC, 0)
    except (BusError, ServiceError) as error:
        say(f"only the archive is looked at: {error}")
        return None
    return bus
