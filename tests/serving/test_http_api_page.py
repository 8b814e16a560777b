"""docs/http-api.md says what the service does: its examples are sent, its codes, metrics and fields compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from serving_world import ROOT

from rapport.decisions import CODES, FACTS, Decision
from rapport.decisions.answers import EventsAnswer, Health
from rapport.policy import TONES
from rapport.testing.models import NoiseModels
from rapport.testing.served import Served

PAGE = (Path(ROOT) / "docs" / "http-api.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def examples(title: str) -> list[bytes]:
    return [text.encode() for text in re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)]


def test_the_requests_are_taken_and_the_answers_have_their_shape(served: Served, models: NoiseModels) -> None:
    headers = {"Content-Type": "application/json"}
    shapes: dict[str, tuple[int, Any]] = {"/personalize": (200, Decision), "/events": (202, EventsAnswer)}
    for path, (status, kind) in shapes.items():
        request, answer = examples(f"POST {path}")[:2]
        response = served.http.post(path, content=request, headers=headers)
        assert response.status_code == status, response.text
        assert set(msgspec.json.decode(answer)) == set(response.json())
        msgspec.json.decode(answer, type=kind)
    (feedback,) = examples("POST /feedback")
    assert served.http.post("/feedback", content=feedback, headers=headers).status_code == 202
    (health,) = examples("GET /readyz")
    assert set(msgspec.json.decode(health)) == set(served.health())
    msgspec.json.decode(health, type=Health)


def test_codes_tones_facts_and_fields_are_all_there() -> None:
    documented = re.findall(r"^\| `([a-z_]+(?::<[a-z]+>)?)` \| (.*) \|$", section("POST /personalize"), re.MULTILINE)
    assert {code: said for code, said in documented if code in CODES} == {code: CODES[code] for code in CODES}
    words = set(re.findall(r"`([^`\n]+)`", section("POST /personalize")))
    assert set(TONES) | set(FACTS) | set(Decision.__struct_fields__) <= words


def test_every_metric_is_documented(served: Served) -> None:
    exposed = set(re.findall(r"^# TYPE (rapport_\w+)", served.http.get("/metrics").text, re.MULTILINE))
    page = section("GET /metrics").replace("`…_", "`rapport_decision_log_")
    assert exposed <= set(re.findall(r"`(rapport_\w+)", page))
