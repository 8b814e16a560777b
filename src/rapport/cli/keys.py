"""keys: who may call this installation over HTTP."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, say, table

if TYPE_CHECKING:
    from rapport.access import KeyFile, StoredKey

__all__ = ["keys"]

keys = typer.Typer(name="keys", invoke_without_command=True, no_args_is_help=False)

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `rapport keys` shows it.")]
To = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Write the key there, for its owner alone; else to stdout."),
]


@keys.callback()
def _group(context: typer.Context) -> None:
    """API keys: who may call this installation over HTTP.

    Without a command: list.

    Example: rapport keys
    """
    if context.invoked_subcommand is None:
        _list(as_json=False)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people know the key by.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; may be given several times.")],
    tenant: Annotated[str, typer.Option(help="Whose customers it may speak of; `*`: all.")] = "*",
    days: Annotated[int, typer.Option(min=0, max=3_650, help="When it ends; 0: never.")] = 0,
    rate: Annotated[float, typer.Option(help="Requests per second; 0: RAPPORT_RATE_PER_S.")] = 0.0,
    to: To = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once, and kept as a hash.

    Scopes: decide, events:write, feedback:write, decisions:read, models:infer, metrics:read, admin.

    Example: rapport keys create webshop-bot --scope decide --scope feedback:write --days 365 --to bot.key
    """
    from rapport.access import create_key

    now_us = time.time_ns() // 1_000
    made = create_key(
        _file(),
        name,
        scope,
        now_us,
        tenant=tenant,
        rate_per_s=rate or None,
        expires_us=now_us + days * _DAY_US if days else None,
    )
    _show(*made, to, as_json=as_json)


@keys.command("list")
def list_(as_json: Json = False) -> None:
    """List the keys: never their secrets, which nobody has but who was given them.

    Example: rapport keys list
    """
    _list(as_json=as_json)


@keys.command()
def revoke(key_id: Id, as_json: Json = False) -> None:
    """End a key; the service knows within a second.

    Example: rapport keys revoke 3f9a1c2b7d04
    """
    from rapport.access import revoke_key

    now_us = time.time_ns() // 1_000
    key = revoke_key(_file(), key_id, now_us)
    if as_json:
        emit(_row(key, now_us))
    else:
        say(f"key {key.id} ({key.name}) is revoked")


@keys.command()
def rotate(
    key_id: Id,
    grace_h: Annotated[int, typer.Option(min=0, max=8_760, help="Hours that the old key goes on.")] = 24,
    to: To = None,
    as_json: Json = False,
) -> None:
    """Make a key that may do the same as another, which ends after a grace.

    Example: rapport keys rotate 3f9a1c2b7d04 --to bot.key
    """
    from rapport.access import rotate_key

    made = rotate_key(_file(), key_id, time.time_ns() // 1_000, grace_h * _HOUR_US)
    _show(*made, to, as_json=as_json)


def _file() -> KeyFile:
    from rapport.access import KeyFile, keys_path

    return KeyFile(keys_path(settings_now()))


def _show(key: StoredKey, text: str, to: Path | None, *, as_json: bool) -> None:
    if to is not None:
        from rapport.access.files import write_private

        write_private(to, text.encode() + b"\n")
    if as_json:
        emit({**_row(key, key.created_us), **({} if to else {"key": text})})
        return
    if to is None:
        sys.stdout.write(text + "\n")
    say(f"key {key.id} ({key.name}) is made" + ("" if to else "; it is not shown again"))


def _list(*, as_json: bool) -> None:
    now_us = time.time_ns() // 1_000
    file = _file()
    rows = [_row(key, now_us) for key in file.read()]
    if as_json:
        emit({"file": str(file.path), "keys": rows})
        return
    if not rows:
        console().print("there are no keys: `rapport keys create` makes one")
        return
    shown = [
        (row["id"], row["name"], row["state"], ", ".join(row["scopes"]), row["tenant"], row["rate_per_s"], row["ends"])
        for row in rows
    ]
    table(("id", "name", "state", "scopes", "tenant", "per s", "ends"), shown, title=str(file.path))


def _row(key: StoredKey, now_us: int) -> dict[str, Any]:
    from rapport.clock import from_us

    end_us = key.revoked_us or key.expires_us
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state(now_us),
        "scopes": list(key.scopes),
        "tenant": key.tenant or "*",
        "rate_per_s": key.rate_per_s,
        "created": from_us(key.created_us).isoformat(timespec="seconds"),
        "ends": from_us(end_us).isoformat(timespec="seconds") if end_us else None,
    }
