"""Dialogflow ES and CX: requests through Google's own classes in both casings, our responses through theirs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from serving_world import ROOT

from rapport.errors import ServiceError
from rapport.testing.models import NoiseModels
from rapport.testing.peers import peer_python
from rapport.testing.served import Served

SESSION = "projects/p/agent/sessions/s-1"
ES = {
    "responseId": "r-1",
    "session": SESSION,
    "queryResult": {
        "queryText": "Where is my parcel?",
        "languageCode": "de",
        "parameters": {"order_no": "17"},
        "allRequiredParamsPresent": True,
        "outputContexts": [{"name": f"{SESSION}/contexts/other", "lifespanCount": 2, "parameters": {"a": 1}}],
        "intent": {"name": "projects/p/agent/intents/i", "displayName": "where is it"},
        "intentDetectionConfidence": 0.9,
    },
    "originalDetectIntentRequest": {"source": "facebook", "payload": {"userId": "ann"}},
}
CX = {
    "detectIntentResponseId": "r-2",
    "text": "Where is my parcel?",
    "languageCode": "de",
    "fulfillmentInfo": {"tag": "personalize"},
    "sessionInfo": {"session": "projects/p/locations/l/agents/a/sessions/s-2", "parameters": {"order_no": "17"}},
    "payload": {"userId": "ann"},
}
Check = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def google() -> Iterator[Check]:
    """Google's classes, in a process that has them."""
    try:
        python = peer_python(ROOT, "dialogflow")
    except ServiceError as error:
        pytest.skip(str(error))
    script = ROOT / "tests" / "serving" / "dialogflow_check.py"
    with subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def check(asked: dict[str, Any]) -> dict[str, Any]:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            return dict(json.loads(process.stdout.readline()))

        yield check
        assert process.stdin is not None
        process.stdin.close()


def ask(served: Served, api: str, body: object) -> dict[str, Any]:
    response = served.http.post(f"/chatbots/dialogflow/{api}", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def tags(api: str, answer: dict[str, Any]) -> dict[str, Any]:
    if api == "es":
        return dict(answer["payload"]["rapport"])
    parameters = answer["sessionInfo"]["parameters"]
    return {name.removeprefix("rapport_"): value for name, value in parameters.items()}


@pytest.mark.parametrize(("api", "request_"), [("es", ES), ("cx", CX)])
def test_both_casings_give_the_same(
    served: Served, models: NoiseModels, google: Check, api: str, request_: dict[str, Any]
) -> None:
    casings = google({"api": api, "request": request_})["casings"]
    assert casings[0] != casings[1]
    answers = [ask(served, api, body) for body in (request_, *casings)]
    found = [tags(api, answer) for answer in answers]
    for one in found:
        one.pop("decision_id")
    assert found[0] == found[1] == found[2]
    assert found[0]["segment"] != "Unknown" and found[0]["degraded"] is None
    assert "escalation_risk" in found[0]


@pytest.mark.parametrize(("api", "request_"), [("es", ES), ("cx", CX)])
def test_responses_are_googles(
    served: Served, models: NoiseModels, google: Check, api: str, request_: dict[str, Any]
) -> None:
    bodies: list[dict[str, Any]] = [
        request_,
        {},
        *({name: value for name, value in request_.items() if name != left_out} for left_out in request_),
        dict.fromkeys(request_),
        {name: [] for name in request_},
    ]
    for body in bodies:
        answer = ask(served, api, body)
        checked = google({"api": api, "response": answer})
        assert "error" not in checked, (body, checked)
        assert checked["back"]


def test_text_locale_and_context(served: Served, models: NoiseModels) -> None:
    answer = ask(served, "es", ES)
    decided = served.decide("ann", message="Where is my parcel?", locale="de", channel="facebook")
    assert answer["fulfillmentText"] == decided["template"]["text"]
    assert answer["fulfillmentMessages"] == [{"text": {"text": [answer["fulfillmentText"]]}}]
    (context,) = answer["outputContexts"]
    assert context["name"] == f"{SESSION}/contexts/rapport"
    assert context["parameters"]["tone"] == decided["tone"]
    spoken = ask(served, "cx", {**CX, "text": None, "transcript": "Where is my parcel?"})
    assert spoken["fulfillmentResponse"]["messages"][0]["text"]["text"] == [decided["template"]["text"]]
    filling = {**ES, "queryResult": {**ES["queryResult"], "allRequiredParamsPresent": False}}  # type: ignore[dict-item]
    assert "fulfillmentText" not in ask(served, "es", filling)


def test_feedback(served: Served, models: NoiseModels) -> None:
    decision = tags("es", ask(served, "es", ES))["decision_id"]
    before = served.metric('rapport_chatbots_total{platform="dialogflow_es",result="feedback"}')
    context = {"name": f"{SESSION}/contexts/rapport", "parameters": {"decision_id": decision}}
    result = {"action": "rapport.feedback", "parameters": {"csat": 5.0}, "outputContexts": [context]}
    assert ask(served, "es", {**ES, "queryResult": result}) == {"source": "rapport"}
    assert served.metric('rapport_chatbots_total{platform="dialogflow_es",result="feedback"}') == before + 1
    session = {**CX["sessionInfo"], "parameters": {"csat": 9, "resolved": True}}  # type: ignore[dict-item]
    answer = ask(served, "cx", {**CX, "fulfillmentInfo": {"tag": "rapport.feedback"}, "sessionInfo": session})
    assert answer["sessionInfo"]["parameters"] == {"csat": None, "nps": None, "resolved": None}


def test_published_requests(served: Served, models: NoiseModels, google: Check) -> None:
    """As Dialogflow's own libraries publish them: of API v2 and of v1, which is none of ours, each is answered; what is
    no JSON is refused."""
    folder = ROOT.parent / "shared" / "data" / "chatbot_fixtures" / "dialogflow_es"
    paths = sorted((folder / "requests").rglob("*.json"))
    if not paths:
        pytest.skip(f"no published requests in {folder}")
    refused = []
    for path in paths:
        header = {"Content-Type": "application/json"}
        response = served.http.post("/chatbots/dialogflow/es", content=path.read_bytes(), headers=header)
        if response.status_code == 400:
            refused.append(path.name)
            continue
        assert "error" not in google({"api": "es", "response": response.json()}), path
    assert refused == ["ListSelectionEvent.json"]


@pytest.mark.parametrize("api", ["es", "cx"])
def test_what_is_no_request(served: Served, api: str) -> None:
    path = f"/chatbots/dialogflow/{api}"
    header = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b'"x"', b"[" * 100_000):
        assert served.http.post(path, content=body, headers=header).status_code == 400
    assert served.http.post(path, content=b" " * 600_000, headers=header).status_code == 413
    assert served.http.post(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert served.http.get(path).status_code == 405
