"""Chatwoot and the Bot Framework: who sent is checked, the answers go to a real server that plays them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from platform_server import APP, CHATBOTS, CHATWOOT, SECRET, Platforms

from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for
from rapport.webhooks import sign

TOKEN = "a token of the tests, long enough"


@pytest.fixture(scope="module")
def platforms(served: Served, project: Project) -> Iterator[Platforms]:
    platforms = Platforms()
    platforms.start()
    for name, text in (("secret", f"an older secret of the bot\n{SECRET}"), ("token", TOKEN), ("password", "p" * 20)):
        (project.root / f"bot.{name}").write_text(text)
    path = project.root / "chatbots.yaml"
    path.write_text(CHATBOTS % {"url": platforms.url})
    wait_for(lambda: served.http.post("/chatbots/chatwoot", json={}).status_code == 401, "not read", 10)
    yield platforms
    path.unlink()
    wait_for(lambda: served.http.post("/chatbots/chatwoot", json={}).status_code == 404, "not forgotten", 10)
    platforms.stop()


@pytest.fixture(autouse=True)
def fresh(platforms: Platforms) -> None:
    platforms.posted.clear()
    platforms.status = 200


def event(**changed: Any) -> dict[str, Any]:
    conversation = {"id": 88, "status": "pending", "channel": "web", "meta": {"sender": {"identifier": "ann"}}}
    return {
        "event": "message_created",
        "id": 4711,
        "content": "Where is my order?",
        "message_type": "incoming",
        "private": False,
        "sender": {"id": 9, "type": "contact"},
        "conversation": conversation,
        "account": {"id": 1},
        **changed,
    }


def send(served: Served, value: Any, secret: str = SECRET, at: float | None = None) -> httpx.Response:
    body = json.dumps(value).encode()
    stamp = str(int(time.time() if at is None else at))
    headers = {"Content-Type": "application/json", **sign(CHATWOOT, secret.encode(), body, stamp)}
    return served.http.post("/chatbots/chatwoot", content=body, headers=headers)


def test_chatwoot_is_answered(served: Served, models: NoiseModels, platforms: Platforms) -> None:
    assert send(served, event()).json() == {"status": "answered"}
    (posted,) = platforms.posted
    assert posted.path == "/api/v1/accounts/1/conversations/88/messages"
    assert posted.headers["api_access_token"] == TOKEN
    assert posted.json["message_type"] == "outgoing" and posted.json["private"] is False and posted.json["content"]
    assert posted.json["content_attributes"]["rapport"]["segment"] != "Unknown"


def test_chatwoot_hands_over(served: Served, models: NoiseModels, platforms: Platforms) -> None:
    assert (
        send(served, event(content="THIS IS USELESS!!! I asked three times, answer me, idiots!!!")).status_code == 200
    )
    tags = platforms.posted[0].json["content_attributes"]["rapport"]
    opened = [one for one in platforms.posted if one.path.endswith("/conversations/88/toggle_status")]
    assert tags["hand_over"] is bool(opened)
    assert all(one.json == {"status": "open"} for one in opened)


@pytest.mark.parametrize(
    "value",
    [
        event(message_type="outgoing"),
        event(private=True),
        event(content=None),
        event(event="conversation_opened"),
        event(conversation={"id": 88, "status": "open"}),
        event(account={}),
        event(conversation=[]),
        {},
    ],
)
def test_chatwoot_is_not_answered(served: Served, models: NoiseModels, platforms: Platforms, value: Any) -> None:
    assert send(served, value).json() == {"status": "ignored"}
    assert not platforms.posted


def test_a_survey_is_feedback(served: Served, platforms: Platforms) -> None:
    answers = {"submitted_values": {"csat_survey_response": {"rating": 2}}}
    assert send(served, event(event="message_updated", content_attributes=answers)).json() == {"status": "feedback"}


def test_chatwoots_signature(served: Served, platforms: Platforms) -> None:
    def reason(response: httpx.Response) -> str:
        assert response.status_code == 401
        return str(response.json()["error"]["reason"])

    assert reason(send(served, event(), secret="another secret, also long enough")) == "bad_signature"
    assert reason(send(served, event(), at=time.time() - 301)) == "stale_signature"
    assert reason(served.http.post("/chatbots/chatwoot", json=event())) == "missing_signature"
    assert not platforms.posted


def test_chatwoot_that_does_not_take_the_answer(served: Served, models: NoiseModels, platforms: Platforms) -> None:
    platforms.status = 500
    response = send(served, event())
    assert response.status_code == 503 and response.json()["error"]["reason"] == "platform_unavailable"
    assert TOKEN not in response.text


def activity(platforms: Platforms, **changed: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "a-1",
        "serviceUrl": platforms.url,
        "channelId": "webchat",
        "from": {"id": "ann", "name": "Ann"},
        "recipient": {"id": "bot"},
        "conversation": {"id": "c/1"},
        "text": "Where is my parcel?",
        "locale": "de-DE",
        **changed,
    }


def tell(served: Served, value: Any, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return served.http.post("/chatbots/bot-framework", json=value, headers=headers)


def test_an_activity_is_answered(served: Served, models: NoiseModels, platforms: Platforms) -> None:
    assert tell(served, activity(platforms), platforms.token()).status_code == 200
    reply = platforms.posted[-1]
    assert reply.path == "/v3/conversations/c%2F1/activities/a-1"
    assert reply.headers["authorization"] == "Bearer bot-token"
    said = reply.json
    assert (said["type"], said["replyToId"], said["from"], said["recipient"]["id"]) == (
        "message",
        "a-1",
        {"id": "bot"},
        "ann",
    )
    assert said["text"] and said["entities"][0]["type"] == "rapport.decision"
    logins = [one for one in platforms.posted if one.path.endswith("/oauth2/v2.0/token")]
    assert len(logins) <= 1


def test_replies_in_the_answer(served: Served, models: NoiseModels, platforms: Platforms) -> None:
    answer = tell(served, activity(platforms, deliveryMode="expectReplies"), platforms.token())
    (reply,) = [one for one in answer.json()["activities"] if one["type"] == "message"]
    assert reply["text"] and reply["conversation"] == {"id": "c/1"}
    assert not platforms.posted


def test_other_activities_and_feedback(served: Served, platforms: Platforms) -> None:
    for value in ({"type": "conversationUpdate"}, {"type": "typing"}, {"type": None}):
        assert tell(served, activity(platforms, **value), platforms.token()).json() == {}
    given = activity(platforms, type="event", name="rapport.feedback", value={"csat": 4})
    name = 'rapport_chatbots_total{platform="bot_framework",result="feedback"}'
    before = served.metric(name)
    assert tell(served, given, platforms.token()).status_code == 200
    assert served.metric(name) == before + 1
    assert not [one for one in platforms.posted if "activities" in one.path]


def test_only_the_connector_is_answered(served: Served, platforms: Platforms) -> None:
    other = rsa.generate_private_key(65_537, 2_048)
    unsigned = jwt.encode({"aud": APP}, None, algorithm="none", headers={"kid": "k1"})
    symmetric = jwt.encode({"aud": APP}, "x" * 32, algorithm="HS256", headers={"kid": "k1"})
    told = activity(platforms)
    for token in (
        "",
        "nonsense",
        unsigned,
        symmetric,
        platforms.token(other),
        platforms.token(kid="k2"),
        platforms.token(aud="another app"),
        platforms.token(iss="https://evil.example"),
        platforms.token(exp=int(time.time()) - 400),
        platforms.token(exp=None),
        platforms.token(serviceurl="https://evil.example"),
        platforms.token(serviceurl=None),
    ):
        assert tell(served, told, token).status_code == 401, token
    assert tell(served, activity(platforms, channelId="skype"), platforms.token()).status_code == 401
    assert tell(served, activity(platforms, serviceUrl="https://evil.example"), platforms.token()).status_code == 401
    assert not [one for one in platforms.posted if "activities" in one.path]


def test_no_secret_and_no_customer_in_the_log(served: Served) -> None:
    log = served.log.read_text()
    assert not [word for word in (SECRET, TOKEN, "bot-token", "Where is my", '"ann"') if word in log]
