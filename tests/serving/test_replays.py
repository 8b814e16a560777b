"""Decisions explained, made again bit for bit, and tried with another policy: over the log that the service wrote."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.runtime import make_runtime
from rapport.archive import Archive
from rapport.bus import START, open_bus
from rapport.cli.decisions import EXIT_NOT_REPLAYED
from rapport.cli.main import run
from rapport.decisions import DECISIONS_TOPIC, DecisionRecord, decode_record
from rapport.decisions.dry_run import DryRun
from rapport.decisions.find import find_record
from rapport.decisions.replay import Replayer
from rapport.decisions.words import explain_in_words, situation_then
from rapport.policy import DEFAULT_FOLDER, load_bundle, parse_bundle
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

MESSAGES = (
    None,
    "Where is my parcel?",
    "thanks",
    "THIS IS RIDICULOUS!!! worst shop ever",
    "¿Dónde está mi pedido?",
    "…",
)
SLOTS: tuple[dict[str, Any], ...] = ({}, {"order_number": "A{x}"}, {"order_number": True, "n": 1.5})
DECISIONS = 1_000


@pytest.fixture(scope="module")
def made(served: Served, project: Project, built_models: NoiseModels) -> list[DecisionRecord]:
    """A thousand decisions, while champions and policy change, as they were logged."""
    draw = random.Random(0)
    ids = []
    for number in range(DECISIONS):
        if number % 250 == 0:
            for name in ("purchase_propensity", "escalation_risk"):
                built_models.promote(name, str(1 + number // 250 % 2))
            built_models.promote("segments", "1")
        if number == DECISIONS // 2:
            built_models.retire("escalation_risk")
        session = {"message": draw.choice(MESSAGES), "channel": draw.choice([None, "web"]), "slots": draw.choice(SLOTS)}
        session |= {"locale": draw.choice([None, "de-AT", "es"]), "page": draw.choice([None, "/cart"])}
        given = {name: value for name, value in session.items() if value is not None}
        who = draw.choice(["ann", "ben", "nobody", "ann"])
        answer = served.http.post("/personalize", json={"customer_id": who, "session_data": given})
        ids.append(answer.json()["decision_id"])
    return logged(project, ids)


def logged(project: Project, ids: list[str]) -> list[DecisionRecord]:
    bus = open_bus(project.settings)
    found: dict[str, DecisionRecord] = {}
    reader = bus.reader(DECISIONS_TOPIC, 0, START)

    def all_there() -> bool:
        while batch := reader.poll(10_000):
            found.update((record.decision_id, record) for record in map(decode_record, batch.values))
        return set(ids) <= set(found)

    wait_for(all_there, "decisions were not logged", 20)
    return [found[decision_id] for decision_id in ids]


def test_a_thousand_logged_decisions_are_made_again_bit_for_bit(project: Project, made: list[DecisionRecord]) -> None:
    replayer = Replayer(project.settings)
    wrong = [(replay.gone, replay.differences) for replay in map(replayer.replay, made) if not replay.same]
    assert wrong == []
    assert len(made) == DECISIONS
    assert len({record.model_versions.get("purchase_propensity") for record in made}) >= 2
    assert "thanks" in {record.rule for record in made} and len({record.rule for record in made}) >= 5
    assert sum(bool(record.contributions) for record in made) > DECISIONS / 2


def test_a_changed_input_is_noticed(project: Project, made: list[DecisionRecord]) -> None:
    replayer = Replayer(project.settings)
    record = next(record for record in made if "purchase_propensity" in record.scores)
    for name, value in (
        ("segment", "Lost"),
        ("tone", "formal"),
        ("rule", "x"),
        ("template_id", "x"),
        ("degraded", ["x"]),
    ):
        assert set(replayer.replay(msgspec.structs.replace(record, **{name: value})).differences) == {name}
    other = {**record.scores, "purchase_propensity": record.scores["purchase_propensity"] + 1e-6}
    assert "scores" in replayer.replay(msgspec.structs.replace(record, scores=other)).differences


def test_what_is_gone_is_named(project: Project, served: Served, made: list[DecisionRecord], tmp_path: Path) -> None:
    record = next(record for record in made if "purchase_propensity" in record.scores)
    version = record.model_versions["purchase_propensity"]
    folder = project.settings.data_dir / "models" / "purchase_propensity" / version
    shutil.move(folder, tmp_path / "away")
    try:
        gone = Replayer(project.settings).replay(record).gone
    finally:
        shutil.move(tmp_path / "away", folder)
    assert len(gone) == 1 and f"model purchase_propensity, version {version}" in gone[0]
    other = msgspec.structs.replace(record, policy_version="1-0123456789ab")
    assert "policy.yaml, version 1-0123456789ab, is not kept" in Replayer(project.settings).replay(other).gone[0]
    refused = served.decide("cleo", message="I hate waiting", locale="de")
    (record,) = logged(project, [refused["decision_id"]])
    assert "refused personalization" in Replayer(project.settings).replay(record).gone[0]
    assert record.signals is None and record.session.locale is None and record.template.text is None


def test_the_situation_is_the_same_in_words_and_rules(project: Project, made: list[DecisionRecord]) -> None:
    replayer = Replayer(project.settings)
    for record in made[:100]:
        bundle = replayer.bundle(record)
        assert not isinstance(bundle, str)
        assert bundle.policy.choose(situation_then(record))[0] == record.rule
        words = " ".join(explain_in_words(record, bundle))
        assert record.tone in words and record.next_action.id in words and str(record.customer_id) in words
        assert "held, so the default" in words if record.rule == "default" else repr(record.rule) in words


def test_a_dry_run_of_the_same_policy_changes_nothing_and_of_another_what_it_says(made: list[DecisionRecord]) -> None:
    same = DryRun(load_bundle(DEFAULT_FOLDER))
    same.add(made)
    report = same.report()
    assert (report.decisions, report.changed, report.changes) == (DECISIONS, 0, ())
    texts = {name: (DEFAULT_FOLDER / f"{name}.yaml").read_bytes() for name in ("policy", "templates", "intents")}
    texts["policy"] = texts["policy"].replace(b"  - name: thanks", b"  - name: many thanks")
    texts["policy"] = texts["policy"].replace(
        b"tone: concise, template: order_status", b"tone: formal, template: order_status"
    )
    other = DryRun(parse_bundle(texts))
    other.add(made)
    report = other.report()
    tracked = sum(record.rule == "where is the order" for record in made)
    thanked = sum(record.rule == "thanks" for record in made)
    assert tracked and thanked
    assert (report.changed, report.other_rule) == (tracked, thanked)
    found = [(change.field, change.before, change.after, change.decisions) for change in report.changes]
    assert found == [("rule", "thanks", "many thanks", thanked), ("tone", "concise", "formal", tracked)]
    assert "ann" not in json.dumps(msgspec.to_builtins(report)).split('"')


def test_a_decision_over_http(served: Served, models: NoiseModels) -> None:
    decision = served.decide("ann", message="Where is my parcel?")
    answer = served.http.get(f"/decisions/{decision['decision_id']}")
    assert answer.status_code == 200
    found = answer.json()
    assert {name: found["decision"][name] for name in decision} == decision
    assert found["decision"]["customer_id"] == "ann" and found["decision"]["signals"]["intent"] == "track_order"
    assert any("decided, because" in sentence for sentence in found["words"])
    assert "Where is my parcel" not in answer.text
    unknown = served.http.get("/decisions/" + "0" * 32)
    assert (unknown.status_code, unknown.json()["error"]["reason"]) == (404, "not_found")
    wrong = served.http.get("/decisions/x'y")
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "decision_id")


@pytest.fixture(scope="module")
def archived(project: Project, made: list[DecisionRecord]) -> Iterator[list[DecisionRecord]]:
    flow = Dataflow("archive")
    archive(flow, make_runtime(project.settings), drain=True)
    run_main(flow)
    yield made


def test_an_archived_decision_is_found_by_its_id(project: Project, archived: list[DecisionRecord]) -> None:
    kept = Archive(project.settings.data_dir / "archive")
    assert find_record(archived[7].decision_id, kept, None) == archived[7]
    assert find_record(archived[7].decision_id[:-1] + "x", kept, None) is None
    assert find_record("0" * 12 + "4" + "0" * 19, kept, None) is None


def test_the_commands(
    project: Project,
    archived: list[DecisionRecord],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAPPORT_ROOT", str(project.root))

    def said(*arguments: str, code: int = 0) -> str:
        assert run(arguments) == code, capsys.readouterr()
        return capsys.readouterr().out

    decision_id = archived[3].decision_id
    assert "So: tone" in said("explain", decision_id)
    assert json.loads(said("explain", decision_id, "--json"))["decision"]["decision_id"] == decision_id
    assert "equal, bit for bit" in said("replay-decision", decision_id)
    assert json.loads(said("replay-decision", decision_id, "--json"))["same"] is True
    assert run(["explain", "0" * 32]) == 3 and run(["explain", "x"]) == 2
    gone = next(record for record in logged_all(project) if not record.customer_id)
    assert "gone: " in said("replay-decision", gone.decision_id, code=EXIT_NOT_REPLAYED)
    assert "rules" in said("policy", "check") and "where is the order" in said("policy", "show")
    assert said("policy", "show", archived[3].policy_version).startswith("# From the facts")
    report = json.loads(said("policy", "dry-run", "--json", "--limit", "200"))
    assert report["changed"] == 0 and report["decisions"] + sum(report["apart"].values()) == 200
    assert "would have another answer" in said("policy", "dry-run")
    broken = project.root / "broken"
    shutil.copytree(DEFAULT_FOLDER, broken, dirs_exist_ok=True)
    (broken / "policy.yaml").write_text("x: 1", encoding="utf-8")
    assert run(["policy", "check", str(broken)]) == 2
    assert "unknown field 'x'" in capsys.readouterr().err


def logged_all(project: Project) -> list[DecisionRecord]:
    """All decisions of the archive."""
    rows = Archive(project.settings.data_dir / "archive").scan("decisions", ["record"]).column("record").to_pylist()
    return [decode_record(text) for text in rows]
