"""The action server for Rasa beside rasa-sdk's own server: the same bodies to both, their answers compared."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from serving_world import ROOT

from rapport.bus import open_bus
from rapport.errors import ServiceError
from rapport.testing.models import NoiseModels
from rapport.testing.peers import peer_python
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port, wait_for

JSON = {"Content-Type": "application/json"}
SLOTS = ("segment", "tone", "template_id", "sentiment", "escalation_risk", "decision_id", "csat", "nps", "resolved")


def tracker(sender: str = "ann", text: str | None = "Where is my parcel?", **slots: object) -> dict[str, Any]:
    return {
        "sender_id": sender,
        "slots": {**dict.fromkeys(SLOTS), "name": "x", **slots},
        "latest_message": {"text": text, "intent": {"name": "ask", "confidence": 0.9}, "entities": []},
        "latest_input_channel": None,
        "events": [],
        "paused": False,
        "followup_action": None,
        "active_loop": {},
        "latest_action_name": "action_listen",
    }


def call(action: object, given: object = None, **more: object) -> bytes:
    body = {"next_action": action, "tracker": given or tracker(), "domain": {}, "version": "3.21.0", **more}
    return msgspec.json.encode(body)


@pytest.fixture(scope="module")
def peer(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """rasa-sdk's server with the same actions."""
    try:
        python = peer_python(ROOT, "rasa")
    except ServiceError as error:
        pytest.skip(str(error))
    port = free_port()
    folder = tmp_path_factory.mktemp("rasa")
    (folder / "actions.py").write_text((ROOT / "tests" / "serving" / "rasa_peer_actions.py").read_text())
    env = {**os.environ, "SANIC_HOST": "127.0.0.1", "PERSONALIZE_URL": f"{served.url}/personalize"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", "rasa_sdk", "--actions", "actions", "--port", str(port)],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
        )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
    try:
        wait_for(lambda: answers(client), "rasa-sdk's server did not come up", 60)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def ours(served: Served, body: bytes, **headers: str) -> httpx.Response:
    return served.http.post("/chatbots/rasa/webhook", content=body, headers={**JSON, **headers})


def plain(response: httpx.Response) -> Any:
    """An answer without what differs at each time: a decision's id; slots in one order."""
    value = response.json()
    if isinstance(value, dict) and "events" in value:
        value["events"].sort(key=lambda event: event["name"])
        for event in value["events"]:
            if event["name"] == "decision_id" and event["value"]:
                event["value"] = "*"
    return value


SAME = {
    "says the answer and sets the slots": (call("action_personalize"), {}),
    "a customer whom nobody knows": (call("action_personalize", tracker("nobody", "hello")), {}),
    "sets the slots alone": (call("action_customer_context"), {}),
    "no words": (call("action_personalize", tracker(text=None)), {}),
    "a bot without our slots": (call("action_personalize", {**tracker(), "slots": {}}), {}),
    "deflated": (zlib.compress(call("action_personalize")), {"Content-Encoding": "deflate"}),
    "feedback": (call("action_feedback", tracker(csat=5, resolved=True)), {}),
    "rejected": (call("action_feedback"), {}),
    "an action that nobody has": (call("action_missing"), {}),
    "no action": (call(None), {}),
    "an empty object": (b"{}", {}),
    "null": (b"null", {}),
    "nothing": (b"", {}),
    "no JSON": (b"{", {}),
    "an unknown action of an old Rasa": (call("action_missing", version=None), {}),
}


@pytest.mark.parametrize("name", SAME)
def test_as_rasa_sdk_answers(served: Served, models: NoiseModels, peer: httpx.Client, name: str) -> None:
    body, headers = SAME[name]
    theirs = peer.post("/webhook", content=body, headers={**JSON, **headers})
    mine = ours(served, body, **headers)
    assert (mine.status_code, plain(mine)) == (theirs.status_code, plain(theirs))
    assert mine.headers["content-type"] == theirs.headers["content-type"]


OTHERWISE = {
    "the domain is not needed": (
        msgspec.json.encode({"next_action": "action_personalize", "tracker": tracker()}),
        449,
        200,
    ),
    "no sender": (call("action_personalize", {"slots": {}}), 500, 200),
    "no tracker": (b'{"next_action": "action_personalize", "domain": {}}', 500, 422),
    "no object": (b"[1]", 500, 422),
    "damaged data": (b"no zlib", 400, 400),
}
"""Where we answer otherwise on purpose (docs/chatbots.md): rasa-sdk's status, ours."""


@pytest.mark.parametrize("name", OTHERWISE)
def test_otherwise_on_purpose(served: Served, models: NoiseModels, peer: httpx.Client, name: str) -> None:
    body, theirs, mine = OTHERWISE[name]
    headers = {"Content-Encoding": "deflate"} if name == "damaged data" else {}
    assert peer.post("/webhook", content=body, headers={**JSON, **headers}).status_code == theirs
    answer = ours(served, body, **headers)
    assert answer.status_code == mine
    if mine == 422:
        assert answer.json() == {"error": answer.json()["error"], "request_body": msgspec.json.decode(body)}


def test_health_and_actions(served: Served, peer: httpx.Client) -> None:
    assert served.http.get("/chatbots/rasa/health").json() == peer.get("/health").json()
    names = [sorted(one["name"] for one in client.get(path).json()) for client, path in _lists(served, peer)]
    assert names[0] == names[1]


def _lists(served: Served, peer: httpx.Client) -> list[tuple[httpx.Client, str]]:
    return [(served.http, "/chatbots/rasa/actions"), (peer, "/actions")]


def test_what_is_written_is_recorded_once_and_feedback_too(
    served: Served, models: NoiseModels, project: Project
) -> None:
    given = tracker(csat=4, decision_id="d-1")
    given["latest_message"]["message_id"] = "m-77"
    for _ in range(2):
        assert ours(served, call("action_personalize", given)).status_code == 200
    assert ours(served, call("action_feedback", given)).status_code == 200

    def values(topic: str) -> list[dict[str, Any]]:
        bus = open_bus(project.settings)
        return [msgspec.json.decode(value) for value in bus.reader(topic, 0).poll(100_000).values]

    wait_for(lambda: sum(one.get("event_id") == "rasa:m-77" for one in values("chat_messages")) == 2, "not recorded", 5)
    said = next(one for one in values("chat_messages") if one.get("event_id") == "rasa:m-77")
    assert (said["customer_id"], said["text"], said["role"]) == ("ann", "Where is my parcel?", "customer")
    assert any(one.get("decision_id") == "d-1" and one["csat"] == 4 for one in values("feedback"))


def test_limits(served: Served) -> None:
    bomb = zlib.compress(b" " * 50_000_000)
    assert ours(served, bomb, **{"Content-Encoding": "deflate"}).status_code == 413
    cut = zlib.compress(call("action_personalize"))[:-3]
    assert ours(served, cut, **{"Content-Encoding": "deflate"}).json()["error"]["reason"] == "bad_deflate"
    assert ours(served, b"x", **{"Content-Encoding": "gzip"}).json()["error"]["reason"] == "bad_encoding"
    assert served.http.post("/chatbots/rasa/webhook", data={"a": "b"}).status_code == 415
    assert ours(served, call("action_personalize", tracker("x" * 300))).status_code == 200
    assert ours(served, call("a" * 300)).status_code == 422
