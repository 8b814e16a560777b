"""What every command has: its settings and the `--json` option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["Customer", "Json", "settings_now"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for machines.")]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.", show_default=False)]


def settings_now(**given: object) -> Settings:
    """The settings of this process, those given as options (not None) before those of the environment; from here on
    nothing reports usage anywhere."""
    import os

    from rapport.settings import disable_telemetry, load_settings

    disable_telemetry()
    options = {f"RAPPORT_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    return load_settings({**os.environ, **options})
