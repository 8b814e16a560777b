"""demo: everything, once, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.cli.common import Json, settings_now

__all__ = ["demo"]


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="A file of purchases to live through instead of the simulated world.", exists=True, dir_okay=False
        ),
    ] = None,
    mapping: Annotated[
        str, typer.Option(help="How to read that file; default: the mapping its name begins with.")
    ] = "",
    customers: Annotated[int, typer.Option(help="Simulated customers.", min=50, max=100_000)] = 1_000,
    days: Annotated[int, typer.Option(help="Days of simulated history.", min=30, max=365)] = 90,
    seed: Annotated[int, typer.Option(help="Another seed is another world.", min=0)] = 7,
    stay: Annotated[
        bool | None,
        typer.Option(help="Stay up until Ctrl-C afterwards; default: when this is a terminal.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the whole loop: history, features, training, decisions, a shift, its drift report, the new champion.

    It uses a data folder of its own, `demo` in the data folder, which it empties first; your own data stays.

    Example: rapport demo
    """
    from rapport.cli.demo.story import Story
    from rapport.cli.demo.worlds import file_world, simulated_world

    settings = settings_now()
    world = file_world(data, mapping) if data else simulated_world(customers, days, seed)
    Story(settings, world, stay=stay, as_json=as_json).tell()
