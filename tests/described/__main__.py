"""python -m tests.described [--cases N] [--seed N]: requests drawn from the description, to the real service in
production; ends with 1 when an answer is none that the description knows."""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rapport.access import SCOPES
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import wait_for
from rapport.webhooks import example_text
from tests.described.run import Port, check_port
from tests.serving.guarded_world import Guarded
from tests.serving.serving_world import ROOT, declared
from tests.telling import teller

PATIENT = {"RAPPORT_DEADLINE_MS": "250", "RAPPORT_REDIS_TIMEOUT_MS": "200", "RAPPORT_INTAKE_MAX_LAG": "1000000000"}
"""Nobody takes the events off the bus."""
PLATFORMS = """\
rasa: {}
dialogflow_es: {}
dialogflow_cx: {}
chatwoot: {url: "http://127.0.0.1:9", token_file: bot.token, secret_file: bot.secret}
bot_framework: {app_id: app-1, password_file: bot.password, openid_url: "http://127.0.0.1:9/openid"}
"""
_COUNTED = re.compile(r'^rapport_http_answers_total{path="(.*)",status="(\d+)"} (\S+)', re.MULTILINE)
AT_ONCE = 140
"""Random requests of an operation per run: thousands of cases, so that each seed is soon over."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.described")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rapport-described-") as folder:
        project = Project(Path(folder), ROOT)
        project.apply(declared())
        _serve_models(project)
        _serve_platforms(project.root)
        guarded = Guarded(project, PATIENT)
        try:
            guarded.served.wait_ready()
            return _check(guarded, arguments.cases, arguments.seed)
        finally:
            guarded.stop()
            project.redis.stop()


def _serve_models(project: Project) -> None:
    models = NoiseModels(project)
    for name in ("purchase_propensity", "escalation_risk"):
        models.build(name, "1")
    models.build_segments("1")
    for name in ("purchase_propensity", "escalation_risk", "segments"):
        models.promote(name, "1")


def _serve_platforms(root: Path) -> None:
    """A source of webhooks and all chatbot platforms; of those that sign, requests without a signature are refused."""
    (root / "webhooks").mkdir()
    (root / "webhooks" / "shop.yaml").write_text(example_text("shop"))
    (root / "chatbots.yaml").write_text(PLATFORMS)
    secrets = [root / name for name in ("webhooks/shop.secret", "bot.token", "bot.secret", "bot.password")]
    for number, path in enumerate(secrets):
        path.write_text(f"{number} 9f2c7d18e4b05a63a1d7c3f08e6b5294")
        path.chmod(0o600)


def _check(guarded: Guarded, cases: int, seed: int) -> int:
    say = teller()
    key = guarded.key("described", list(SCOPES), rate_per_s=100_000)
    told = {"Authorization": f"Bearer {key}"}
    wait_for(lambda: guarded.admin.get("/openapi.json", headers=told).status_code == 200, "the key is not seen", 10)
    document = guarded.admin.get("/openapi.json", headers=told).content
    clients = {"main": guarded.main, "admin": guarded.admin}
    ports = [Port(str(client.base_url), key, name == "admin", guarded.authority) for name, client in clients.items()]
    total = faults = 0
    while total < cases:
        for port in ports:
            outcome = check_port(port, document, guarded.served.project.root, examples=AT_ONCE, seed=seed)
            total += outcome.cases
            say(f"seed {seed}, {'admin' if port.admin else 'main'} port: {outcome.cases:,} cases, {total:,} in all")
            if not outcome.passed:
                faults += 1
                print(outcome.text, flush=True)
        seed += 1
    answered = _statuses(guarded.admin.get("/metrics", headers=told).text)
    say("answers: " + ", ".join(f"{count:,} x {said}" for said, count in sorted(answered.items())))
    print(f"{total:,} cases, {faults} runs with faults")
    return 1 if faults else 0


def _statuses(metrics: str) -> Counter[str]:
    """Status to answers, as the service counts them; those of 500 and over with their path."""
    found: Counter[str] = Counter()
    for path, status, count in _COUNTED.findall(metrics):
        found[status if status < "500" else f"{status} of {path}"] += int(float(count))
    return found


if __name__ == "__main__":
    sys.exit(main())
