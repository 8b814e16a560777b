"""features, decide: what is known of a customer, and what a chatbot would be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Customer, Json, settings_now
from rapport.cli.output import duration, emit, table
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from rapport.online import FeatureRows

__all__ = ["decide", "features"]


def features(
    customer: Customer,
    service: Annotated[str, typer.Option(help="The feature service to read.")] = "personalization",
    as_of: Annotated[str, typer.Option(help="Read as of this time (RFC 3339); default: now.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Show a customer's features as the online store has them, with their status and age.

    Example: rapport features c-000001 --service purchase_propensity
    """
    from rapport.cli.worldtime import parse_time, world_clock
    from rapport.clock import from_us, to_us
    from rapport.online import reader_for

    settings = settings_now()
    as_of_us = to_us(parse_time(as_of)) if as_of else world_clock(settings).now_us()
    rows = reader_for(settings, service).read([customer], as_of_us)
    if as_json:
        emit(_as_dict(customer, rows, from_us(as_of_us).isoformat()))
        return
    shown = []
    for name, value in rows.row(0).items():
        view, _, feature = name.partition("__")
        newest_us = int(rows.newest_us[view][0])
        age = duration((as_of_us - newest_us) / 1e6) if newest_us else None
        shown.append((view, feature, _text(value), rows.status[view][0], age))
    table(("view", "feature", "value", "status", "newest event"), shown, title=f"{customer} at {from_us(as_of_us)}")


def decide(
    customer: Customer,
    message: Annotated[str, typer.Option(help="What the customer has just written.", show_default=False)] = "",
    channel: Annotated[str, typer.Option(help="web, app, whatsapp, …", show_default=False)] = "",
    page: Annotated[str, typer.Option(help="Where the customer is looking.", show_default=False)] = "",
    locale: Annotated[str, typer.Option(help="As de-AT; default: the profile's.", show_default=False)] = "",
    slot: Annotated[
        list[str] | None,
        typer.Option(help="A value by name, as order_number=A-17; may be repeated.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the service what a chatbot should do now for a customer.

    Example: rapport decide c-000001 --message "Where is my parcel?"
    """
    import msgspec

    from rapport.client import Client

    settings = settings_now()
    with Client.of(settings) as client:
        decision = client.personalize(
            customer,
            message=message or None,
            channel=channel or None,
            page=page or None,
            locale=locale or None,
            slots=_slots(slot or []),
        )
    if as_json:
        emit(msgspec.to_builtins(decision))
        return
    scores = ", ".join(f"{name} {score:.3f}" for name, score in decision.scores.items())
    rows = [
        ("segment", decision.segment + (f", {decision.activity}" if decision.activity else "")),
        ("intent", decision.intent),
        ("sentiment", f"{decision.sentiment.label} ({decision.sentiment.score:+.2f})"),
        ("scores", scores or "none"),
        ("tone", decision.tone),
        ("template", f"{decision.template_id}: {decision.template.text or 'something has to be asked for first'}"),
        *(("ask", f"{ask.name} ({ask.type}): {ask.question}") for ask in decision.ask),
        ("offer", decision.offer.id if decision.offer else None),
        ("next action", decision.next_action.id),
        ("rule", f"{decision.rule} (policy {decision.policy_version})"),
        *(("because", reason.text) for reason in decision.reasons),
        ("versions", ", ".join(f"{name} {version}" for name, version in decision.model_versions.items()) or "none"),
        ("feature age", duration(decision.feature_age_s) if decision.feature_age_s is not None else None),
        ("degraded", ", ".join(decision.degraded) or "no"),
    ]
    table(("", f"decision {decision.decision_id}"), rows)


def _slots(given: list[str]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given]
    wrong = next((name for name, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise SettingsError(f"--slot {wrong!r} has no value; write name=value")
    return {name: value for name, _, value in pairs} or None


def _as_dict(customer: str, rows: FeatureRows, as_of: str) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "as_of": as_of,
        "status": {view: statuses[0] for view, statuses in rows.status.items()},
        "newest_us": {view: int(times[0]) or None for view, times in rows.newest_us.items()},
        "features": rows.row(0),
    }


def _text(value: object) -> str | None:
    if value is None or isinstance(value, bool | str):
        return None if value is None else str(value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1_000 else f"{value:,}"
