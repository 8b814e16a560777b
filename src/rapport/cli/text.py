"""text: the model behind sentiment and frustration, made from rated dialogues and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.cli.common import Json
from rapport.cli.output import console, emit, progress, table

__all__ = ["text"]

text = typer.Typer(name="text", no_args_is_help=True, rich_markup_mode=None)


@text.callback()
def _group() -> None:
    """Sentiment and frustration of messages: score one, make the model behind them.

    Example: rapport text score "Where is my parcel?"
    """


@text.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with the rated dialogues (dialogues.txt).")],
    out: Annotated[
        Path | None, typer.Option(help="Write the model's file here; default: nothing is written.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the frustration model from rated dialogues, and say how well it agrees with the raters.

    Each turn is scored by a model that was made, with all choices, from other dialogues. The file that comes with the
    project is src/rapport/events/frustration.json.

    Example: rapport text train --data dialogues/
    """
    import msgspec

    from rapport.clock import SystemClock, from_us
    from training.rated import read_rated
    from training.text import train_text, write_model

    today = from_us(SystemClock().now_us()).date()
    turns = read_rated(data)
    with progress("training") as show:
        model = train_text(turns, today, lambda share, what: show(round(share * 100), 100, what))
    if out is not None:
        write_model(model, out)
    if as_json:
        emit(msgspec.to_builtins(model.manifest))
        return
    manifest = model.manifest
    console().print(f"{manifest.version}: {manifest.turns} rated turns of {manifest.dialogues} dialogues", markup=False)
    table(("score", "value"), [(name, f"{value:.3f}") for name, value in manifest.scores.items()])


@text.command()
def score(
    message: Annotated[str, typer.Argument(help="What a customer wrote.")],
    earlier: Annotated[
        float | None,
        typer.Option(help="Mean frustration of the earlier messages.", min=0.0, max=1.0, show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """The signals of one message, as ingest and the service see it, and the cues in it.

    Example: rapport text score "I have been waiting for three weeks!"
    """
    from rapport.events.frustration import cues_of, in_conversation, model_version
    from rapport.events.text import analyse

    signals = analyse(message)
    shown = {
        "model": model_version(),
        "sentiment": round(signals.sentiment, 4),
        "label": signals.label,
        "frustration": signals.frustration,
        "in_conversation": round(in_conversation(signals.frustration, earlier), 6),
        "query": signals.query,
        "cues": {name: round(value, 4) for name, value in cues_of(message).items()},
    }
    if as_json:
        emit(shown)
        return
    cues = ", ".join(f"{name} {value:.2f}" for name, value in cues_of(message).items())
    table(("signal", "value"), [(name, str(value)) for name, value in {**shown, "cues": cues}.items()])
