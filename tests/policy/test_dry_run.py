"""A dry run over logged decisions says what deciding anew would have said, decision by decision."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rapport.decisions import DecisionRecord, Session, Signals, decode_record, encode_record
from rapport.decisions.dry_run import DryRun
from rapport.decisions.ids import new_id
from rapport.decisions.known import Known
from rapport.decisions.making import Turn, make_decision, sentiment_of, situation_of
from rapport.decisions.scoring import Scored
from rapport.policy import DEFAULT_FOLDER, FILES, load_bundle, parse_bundle

BEFORE = load_bundle(DEFAULT_FOLDER)
TEXTS = {name: (DEFAULT_FOLDER / f"{name}.yaml").read_bytes() for name in FILES}
TEXTS["policy"] = (
    TEXTS["policy"]
    .replace(b"at_least: 0.8", b"at_least: 0.6")
    .replace(b"name: thanks", b"name: many thanks")
    .replace(b"offer: voucher, ", b"")
)
TEXTS["templates"] = TEXTS["templates"].replace(b"You are welcome.", b"Any time.")
AFTER = parse_bundle(TEXTS)

signals = st.builds(
    Signals,
    sentiment=st.just(0.1),
    label=st.sampled_from(["positive", "neutral", "negative"]),
    frustration=st.sampled_from([0.0, 0.5, 0.7, 0.9]),
    intent=st.sampled_from([None, "thanks", "track_order"]),
    repeats=st.integers(0, 3),
)
turns = st.fixed_dictionaries(
    {
        "signals": st.none() | signals,
        "segment": st.sampled_from(["Unknown", "Lost", "Champions", "At Risk"]),
        "slots": st.sampled_from([{}, {"order_number": "A"}]),
        "features": st.sampled_from([{}, {"tickets__open_tickets": 1.0}, {"rfm__frequency": 2.0}]),
        "customer_id": st.sampled_from(["ann", "ann", ""]),
    }
)


def made(turn: dict[str, Any]) -> tuple[DecisionRecord, bool, bool]:
    """A decision by the policy before as it is read back from the log; whether another rule would decide after, and
    whether it would be another answer."""
    about = Session(slots=turn["slots"])
    known = Known(features=turn["features"], personal=bool(turn["customer_id"]))
    scored = Scored(segment=turn["segment"])
    given = Turn(new_id(10**15), 10**15, known, turn["signals"], about, False)
    decision = make_decision(given, scored, BEFORE)
    fields = {name: getattr(decision, name) for name in type(decision).__struct_fields__}
    beside = {"customer_id": turn["customer_id"], "features": turn["features"], "latency_ms": 1.0}
    record = DecisionRecord(**fields, **beside, signals=turn["signals"], session=about)
    situation = situation_of(given, scored, sentiment_of(turn["signals"], known))
    first, second = (bundle.answer(situation, turn["slots"]) for bundle in (BEFORE, AFTER))
    other_rule = first.rule != second.rule
    other = [getattr(first, name) != getattr(second, name) for name in first.__slots__ if name != "rule"]
    return decode_record(encode_record(record)), other_rule, any(other)


@given(st.lists(turns, max_size=8))
def test_a_dry_run_equals_deciding_anew(given_turns: list[dict[str, Any]]) -> None:
    found = [made(turn) for turn in given_turns]
    same, other = DryRun(BEFORE), DryRun(AFTER)
    for run in (same, other):
        run.add(record for record, _, _ in found)
    counted = [(rule, answer) for record, rule, answer in found if record.customer_id]
    report, none = other.report(), same.report()
    assert (none.decisions, none.changed, none.other_rule, none.changes) == (len(counted), 0, 0, ())
    assert report.apart == Counter(
        {"not logged for lack of consent": len(found) - len(counted)} if len(found) > len(counted) else {}
    )
    assert report.other_rule == sum(rule for rule, _ in counted)
    assert report.changed == sum(answer for _, answer in counted)
    rules = sum(change.decisions for change in report.changes if change.field == "rule")
    assert rules == report.other_rule
    assert "ann" not in msgspec.json.encode(report).decode().split('"')
