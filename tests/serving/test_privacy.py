"""The service's own log names nobody, whatever happens."""

from __future__ import annotations

from rapport.testing.models import NoiseModels
from rapport.testing.served import Served

CANARY, SAID = "canary-7f3a91", "my secret is zebra-51b2"


def test_no_customer_and_no_message_in_the_log(served: Served, models: NoiseModels) -> None:
    served.decide(CANARY, message=SAID)
    for path in ("/personalize", "/events", "/feedback"):
        for body in (
            {"customer_id": CANARY, "session_data": SAID},
            {"customer_id": CANARY, "topic": SAID, "events": SAID},
        ):
            assert served.http.post(path, json=body).status_code == 400
    served.http.get(f"/{CANARY}", params={"q": SAID})
    log = served.log.read_text()
    assert "initialized" in log
    assert CANARY not in log and SAID not in log
