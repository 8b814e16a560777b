"""The conversations in docs/chatbots.md are what the example bots say. `REWRITE_TRANSCRIPTS=1` writes them anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from serving_world import DAY_US, HOUR_US, ROOT, now_us

from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port, wait_for

PAGE = ROOT / "docs" / "chatbots.md"
BOTS = ("rasa", "dialogflow_es", "dialogflow_cx", "chatwoot", "bot_framework", "llm")
SECRET = "a secret of the tests, long enough"


@pytest.fixture(scope="module")
def ports(served: Served, project: Project) -> Iterator[dict[str, str]]:
    woot_port, connector_port = free_port(), free_port()
    for name in ("token", "secret"):
        (project.root / f"bot.{name}").write_text(SECRET)
    woot = f'chatwoot: {{url: "http://127.0.0.1:{woot_port}", token_file: bot.token, secret_file: bot.secret}}\n'
    openid = f"http://127.0.0.1:{connector_port}/openid"
    bot = f'bot_framework: {{app_id: example, customer: [from.id], openid_url: "{openid}"}}\n'
    (project.root / "chatbots.yaml").write_text("rasa: {}\ndialogflow_es: {}\ndialogflow_cx: {}\n" + woot + bot)
    wait_for(lambda: served.http.post("/chatbots/chatwoot", json={}).status_code == 401, "not read", 10)
    yield {"CHATWOOT_PORT": str(woot_port), "CHATWOOT_SECRET": SECRET, "CONNECTOR_PORT": str(connector_port)}
    (project.root / "chatbots.yaml").unlink()
    wait_for(lambda: served.http.post("/chatbots/chatwoot", json={}).status_code == 404, "not forgotten", 10)


@pytest.fixture(scope="module")
def eva(project: Project) -> None:
    """A good customer with an open ticket and a cart left behind, and no conversation yet: the same at each hour."""
    now = now_us()
    cart = {"cart_add": True, "cart_product_id": "85123A", "cart_micros": 2_550_000}
    project.put_events("customer_clicks", [("eva", now - 2 * HOUR_US, cart)])
    orders = [
        ("eva", now - days * DAY_US, {"order_id": f"o{days}", "amount_micros": 90_000_000, "order_day": days})
        for days in (1, 8, 20, 45)
    ]
    project.put_events("purchase_events", orders)
    project.put_events("support_tickets", [("eva", now - 3 * DAY_US, {"opened": True, "open_change": 1})])
    project.push_profile("eva", locale="en")


@pytest.fixture
def no_scores(models: NoiseModels, served: Served) -> None:
    """Scores come from models of noise, which would make the conversations another at each hour."""
    for name in ("purchase_propensity", "escalation_risk"):
        models.retire(name)
    served.wait_health(
        lambda health: not any(health["models"][name]["loaded"] for name in ("purchase_propensity", "escalation_risk")),
        "the models still serve",
    )


@pytest.mark.parametrize("bot", BOTS)
def test_the_transcript_is_what_the_bot_says(
    served: Served, project: Project, eva: None, no_scores: None, ports: dict[str, str], bot: str
) -> None:
    env = {**os.environ, "RAPPORT_ROOT": str(project.root), **ports}
    command = [sys.executable, "-m", f"examples.chatbots.{bot}", "--url", served.url, "--customer", "eva"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = re.compile(rf"(<!-- transcript {bot} -->\n```text\n).*?(```\n)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("REWRITE_TRANSCRIPTS"):
        page = shown.sub(lambda match: match[1] + done.stdout + match[2], page)
        PAGE.write_text(page, encoding="utf-8")
    found = shown.search(page)
    assert found and found[0] == found[1] + done.stdout + found[2]
