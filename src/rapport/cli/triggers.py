"""triggers: what is declared, what has fired, and whether it has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, say, table
from rapport.errors import DeclarationError, ServiceError, SettingsError

if TYPE_CHECKING:
    from rapport.settings import Settings
    from rapport.triggers.declared import Trigger
    from rapport.triggers.firing import Firing

__all__ = ["triggers"]

_WHAT = ("fired", "quiet", "expired", "old", "capped", "withheld")


def triggers(
    name: Annotated[str, typer.Argument(metavar="[TRIGGER]", help="Only the firings of one trigger.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Check the declarations, and nothing else.")] = False,
    deliveries: Annotated[bool, typer.Option("--deliveries", help="What became of the webhook's deliveries.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Send deliveries that have failed again.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Post a signed sample to the webhook, now.")] = False,
    limit: Annotated[int, typer.Option(help="Most firings, or tries, to show.", min=1, max=10_000)] = 10,
    as_json: Json = False,
) -> None:
    """Show the declared triggers with their counts, and what fired last.

    `fired` is what was fired; `quiet` would have, too soon after the last; `expired` too late; `old` are events that
    came too late to be looked at. Of triggers that decide, `capped` were not sent because the customer had been sent
    enough, `withheld` for lack of consent, or because the policy keeps silent. With a webhook, `--deliveries` shows
    what waits, what failed and the last tries.

    Example: rapport triggers abandoned_cart --limit 50
    """
    settings = settings_now()
    if sum((check, deliveries, retry, test)) > 1:
        raise SettingsError("--check, --deliveries, --retry and --test exclude each other")
    if check:
        _check(settings, as_json)
    elif deliveries:
        _deliveries(settings, limit, as_json)
    elif retry:
        _retry(settings, as_json)
    elif test:
        _test(settings, as_json)
    else:
        _list(settings, name, limit, as_json)


def _declared(settings: Settings) -> tuple[Trigger, ...]:
    from rapport.triggers.file import FILE
    from rapport.triggers.load import load_triggers

    found = load_triggers(settings.root).triggers
    if not found:
        raise DeclarationError(f"no triggers are declared: write some into {FILE}")
    return found


def _check(settings: Settings, as_json: bool) -> None:
    declared = _declared(settings)
    if any(True for trigger in declared for _ in trigger.features()):
        # Feast takes seconds to import.
        from rapport.feast.catalog import open_store, plans_by_topic
        from rapport.triggers.features import check_features

        check_features(declared, plans_by_topic(open_store(settings)))
    if settings.delivery_url:
        from rapport.delivery.address import webhook_of

        webhook_of(settings)
    if as_json:
        emit({"triggers": [trigger.name for trigger in declared], "webhook": bool(settings.delivery_url)})
    else:
        say(f"{len(declared)} triggers can be watched: {', '.join(trigger.name for trigger in declared)}")


def _list(settings: Settings, name: str, limit: int, as_json: bool) -> None:
    from rapport.bus import open_bus
    from rapport.online.connect import WRITE_TIMEOUT_S, connect
    from rapport.triggers.listing import recent_firings
    from rapport.triggers.store import TriggerStore

    declared = _declared(settings)
    known = [trigger.name for trigger in declared]
    if name and name not in known:
        raise DeclarationError(f"no trigger is named {name!r}; there are {', '.join(known)}")
    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        store = TriggerStore(client)
        counts, sizes = store.counts(), store.sizes()
    found = recent_firings(open_bus(settings), limit, name)
    if as_json:
        shown = [_trigger(trigger, counts.get(trigger.name, {})) for trigger in declared]
        emit({"triggers": shown, "waiting": sizes, "firings": [_firing(firing) for firing in found]})
        return
    rows = [
        (
            trigger.name,
            trigger.kind,
            *(counts.get(trigger.name, {}).get(what, 0) for what in _WHAT),
            trigger.description,
        )
        for trigger in declared
    ]
    table(("trigger", "kind", *_WHAT, "what it watches for"), rows)
    table(
        ("fired at", "trigger", "customer", "reason", "id"),
        [(f"{one.fired_at:%Y-%m-%d %H:%M:%S}", one.trigger, one.customer_id, one.reason, one.id[:8]) for one in found],
    )


def _deliveries(settings: Settings, limit: int, as_json: bool) -> None:
    from rapport.clock import from_us
    from rapport.delivery.deliveries import Deliveries
    from rapport.online.connect import WRITE_TIMEOUT_S, connect

    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        kept = Deliveries(client)
        counts, failed, tries = kept.counts(), kept.all_failed()[:limit], kept.log(limit)
    rows = [(from_us(one.at_ms * 1_000).isoformat(), one.id, one.trigger, one.number, one.status) for one in tries]
    dead = [(one.id, one.trigger, one.tries, one.status) for one in failed]
    if as_json:
        names = ("at", "id", "trigger", "try", "status")
        emit(
            {
                "url": settings.delivery_url,
                "counts": counts,
                "failed": [dict(zip(("id", "trigger", "tries", "status"), row, strict=True)) for row in dead],
                "tries": [dict(zip(names, row, strict=True)) for row in rows],
            }
        )
        return
    table(tuple(counts), [tuple(counts.values())], title=settings.delivery_url or "no RAPPORT_DELIVERY_URL is set")
    if dead:
        table(("failed", "trigger", "tries", "last status"), dead)
    table(("tried at", "id", "trigger", "try", "status"), rows)


def _retry(settings: Settings, as_json: bool) -> None:
    import time

    from rapport.delivery.deliveries import Deliveries
    from rapport.online.connect import WRITE_TIMEOUT_S, connect

    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        count = Deliveries(client).retry_failed(time.time_ns() // 1_000_000)
    emit({"retried": count}) if as_json else console().print(f"{count:,} deliveries are sent again")


def _test(settings: Settings, as_json: bool) -> None:
    import asyncio

    from rapport.delivery.address import webhook_of
    from rapport.delivery.sender import post_sample

    webhook = webhook_of(settings)
    if webhook is None:
        raise SettingsError("there is no webhook: set RAPPORT_DELIVERY_URL and RAPPORT_DELIVERY_SECRET_FILE")
    taken, status, sample_id = asyncio.run(post_sample(webhook))
    if as_json:
        emit({"url": webhook.url, "id": sample_id, "taken": taken, "status": status})
    else:
        console().print(f"{webhook.url}: {status} (sample {sample_id})", markup=False, soft_wrap=True)
    if not taken:
        raise ServiceError(f"the webhook did not take a sample: {status}; a receiver answers 2xx when it has the body")


def _trigger(trigger: Trigger, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "name": trigger.name,
        "kind": trigger.kind,
        "description": trigger.description,
        "counts": {what: counts.get(what, 0) for what in _WHAT},
    }


def _firing(firing: Firing) -> dict[str, Any]:
    import msgspec

    shown: dict[str, Any] = msgspec.to_builtins(firing)
    return shown
