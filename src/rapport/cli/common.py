"""What every command has: its settings and the `--json` option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["Customer", "Json", "settings_now"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for machines.")]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.", show_default=False)]


def settings_now() -> Settings:
    """The settings of this process; from here on nothing reports usage anywhere."""
    from rapport.settings import disable_telemetry, load_settings

    disable_telemetry()
    return load_settings()
